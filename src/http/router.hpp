#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <simul/http/server.hpp>

namespace simul::http::detail {

struct route {
    http::method how;
    detail::handler call;
    route_options options;
};

using route_params = std::vector<std::pair<std::string_view, std::string>>;

/// Finds the handler of a path: a tree with one level per segment.
class router {
  public:
    void add(method how, std::string_view pattern, handler call, route_options options);

    struct match {
        const route* found = nullptr;              ///< the route to take
        const std::vector<route>* here = nullptr;  ///< all methods of this path; null: there is no such path
    };
    /// `path` is percent-encoded and begins with '/'. Segments are decoded after they were separated, so an
    /// encoded slash is part of its segment. Throws: refusal 400 for broken encoding.
    match find(const method& how, std::string_view path, route_params& params) const;

    /// "GET, HEAD, OPTIONS".
    static std::string allowed(const std::vector<route>& here);

  private:
    struct node {
        std::map<std::string, std::unique_ptr<node>, std::less<>> texts;
        std::unique_ptr<node> any;
        std::unique_ptr<node> rest;
        std::string name;  // of the parameter that led here
        std::vector<route> routes;
    };
    static const node* walk(const node& at, std::string_view path, route_params& params);
    node root_;
};

}  // namespace simul::http::detail
