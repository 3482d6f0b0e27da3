#pragma once

#include <simul/net/tls_context.hpp>

#include <memory>
#include <string>

/// An authority that exists as long as the program: it signs certificates for servers on this machine.
class authority {
  public:
    authority();
    ~authority();

    /// For clients: trusts this authority only.
    simul::tls_context trust() const;
    /// For a server that is called `host`: a fresh key and a certificate, valid for one day.
    simul::tls_context identity_of(const std::string& host) const;

  private:
    struct keys;
    std::unique_ptr<keys> keys_;
};
