#pragma once

#include <simul/base/url.hpp>
#include <simul/core/task.hpp>
#include <simul/http/server.hpp>
#include <simul/net/tcp_listener.hpp>
#include <simul/net/tls_context.hpp>

#include <string>
#include <string_view>

/// The site that the article asked, as it was on that day: thirteen posts of three subreddits.
///
/// Served on free ports of this machine; "programming" over TLS, with a certificate of an authority that was
/// made a moment ago. The pages take different times, so that they are there in the article's order.
class article_site {
  public:
    article_site();

    simul::url base_of(std::string_view subreddit) const;
    /// Trusts the site's authority, and nobody else.
    const simul::tls_context& trust() const { return trust_; }
    /// Serves until it is canceled. Once.
    simul::task<> serve();

  private:
    explicit article_site(const class authority& ours);

    simul::http::server web_;
    simul::tcp_listener plain_;
    simul::tcp_listener encrypted_;
    simul::tls_context identity_;
    simul::tls_context trust_;
};
