#include <simul/net/tls_context.hpp>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <system_error>

#include <simul/base/log.hpp>
#include <simul/net/error.hpp>

#include "net/tls_context_state.hpp"
#include "net/tls_engine.hpp"

namespace simul {
namespace detail {

void session_store::put(const std::string& server, session_ptr session) {
    const std::lock_guard lock(mutex_);
    auto at = sessions_.find(server);
    if (at == sessions_.end()) {
        if (sessions_.size() >= servers_max) sessions_.erase(sessions_.begin());
        at = sessions_.emplace(server, std::vector<session_ptr>()).first;
    }
    if (at->second.size() >= sessions_per_server_max) at->second.erase(at->second.begin());
    at->second.push_back(std::move(session));
}

session_ptr session_store::take(const std::string& server) {
    const std::lock_guard lock(mutex_);
    const auto at = sessions_.find(server);
    if (at == sessions_.end()) return nullptr;
    session_ptr session = std::move(at->second.back());
    at->second.pop_back();
    if (at->second.empty()) sessions_.erase(at);
    return session;
}

std::string take_openssl_errors() {
    std::string text;
    while (const unsigned long code = ::ERR_get_error()) {
        const char* reason = ::ERR_reason_error_string(code);
        if (!text.empty()) text += "; ";
        if (reason != nullptr)
            text += reason;
        else
            text += fmt::format("error {:#x}", code);
    }
    return text.empty() ? "no reason was given" : text;
}

namespace {

using bio_ptr = std::unique_ptr<BIO, openssl_free<BIO_free_all>>;
using x509_ptr = std::unique_ptr<X509, openssl_free<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, openssl_free<EVP_PKEY_free>>;

[[noreturn]] void refuse(const std::string& what) {
    throw std::system_error(make_error_code(net_errc::bad_credentials),
                            fmt::format("TLS: {}: {}", what, take_openssl_errors()));
}
[[noreturn]] void refuse_plain(const std::string& what) {
    throw std::system_error(make_error_code(net_errc::bad_credentials), "TLS: " + what);
}

bio_ptr text_bio(const std::string& pem) {
    return bio_ptr(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

/// A key with a password must not make OpenSSL ask for it on the terminal.
int no_password(char*, int, int, void*) { return -1; }

bool at_end_of_pem() {
    const unsigned long last = ::ERR_peek_last_error();
    if (ERR_GET_LIB(last) != ERR_LIB_PEM || ERR_GET_REASON(last) != PEM_R_NO_START_LINE) return false;
    ::ERR_clear_error();
    return true;
}

void trust_file(SSL_CTX* context, const std::string& file) {
    if (::SSL_CTX_load_verify_file(context, file.c_str()) != 1)
        refuse(fmt::format("the authorities in {} cannot be read", file));
}

void trust_text(SSL_CTX* context, const std::string& pem) {
    const bio_ptr source = text_bio(pem);
    int count = 0;
    while (x509_ptr one{::PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)}) {
        if (::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context), one.get()) != 1)
            refuse("an authority of the PEM text cannot be used");
        ++count;
    }
    if (!at_end_of_pem()) refuse("the PEM text of the authorities is damaged");
    if (count == 0) refuse_plain("the PEM text of the authorities has no certificate in it");
}

void trust_system(SSL_CTX* context) {
    // Not for programs that run with more rights than their caller has: he could slip in an authority.
    const char* file = ::secure_getenv(::X509_get_default_cert_file_env());
    const char* folders = ::secure_getenv(::X509_get_default_cert_dir_env());
    if (file != nullptr && *file != '\0') trust_file(context, file);
    if (folders != nullptr && *folders != '\0' && ::SSL_CTX_load_verify_dir(context, folders) != 1)
        refuse(fmt::format("the folder of authorities {} cannot be used", folders));
    if ((file != nullptr && *file != '\0') || (folders != nullptr && *folders != '\0')) return;
    bool found = false;
    for (const char* folder : {::X509_get_default_cert_dir(), "/etc/ssl/certs"})
        if (::access(folder, R_OK | X_OK) == 0 && ::SSL_CTX_load_verify_dir(context, folder) == 1)
            found = true;
    for (const char* bundle : {"/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"})
        if (!found && ::access(bundle, R_OK) == 0) {
            trust_file(context, bundle);
            found = true;
        }
    ::ERR_clear_error();
}

void use_certificate(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file,
                     const std::string& certificate_pem, const std::string& key_pem) {
    ::SSL_CTX_set_default_passwd_cb(context, no_password);
    if (!certificate_file.empty()) {
        if (::SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1)
            refuse(fmt::format("the certificate in {} cannot be used", certificate_file));
    } else {
        const bio_ptr source = text_bio(certificate_pem);
        const x509_ptr own{::PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)};
        if (!own || ::SSL_CTX_use_certificate(context, own.get()) != 1)
            refuse("the certificate in certificate_pem cannot be used");
        while (x509_ptr above{::PEM_read_bio_X509(source.get(), nullptr, no_password, nullptr)})
            if (::SSL_CTX_add1_chain_cert(context, above.get()) != 1)
                refuse("the chain in certificate_pem cannot be used");
        if (!at_end_of_pem()) refuse("certificate_pem is damaged");
    }
    const std::string where = key_file.empty() ? "key_pem" : key_file;
    if (key_file.empty() && key_pem.empty())
        refuse_plain("a certificate is given, but no key (key_file or key_pem)");
    const bio_ptr source =
        key_file.empty() ? text_bio(key_pem) : bio_ptr(::BIO_new_file(key_file.c_str(), "r"));
    if (!source) refuse(fmt::format("the key in {} cannot be read", where));
    const key_ptr key{::PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr)};
    if (!key)
        refuse(fmt::format("the key in {} cannot be read (one with a password has to be decrypted first)",
                           where));
    if (::SSL_CTX_use_PrivateKey(context, key.get()) != 1 || ::SSL_CTX_check_private_key(context) != 1)
        refuse(fmt::format("the key in {} does not belong to the certificate", where));
}

std::string wire_form(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& name : protocols) {
        if (name.empty() || name.size() > 255)
            refuse_plain(fmt::format("'{}' is no name of a protocol (ALPN): 1 to 255 bytes", name));
        wire += static_cast<char>(name.size());
        wire += name;
    }
    return wire;
}

std::shared_ptr<SSL_CTX> new_context(bool server, tls_version least) {
    ::ERR_clear_error();
    std::shared_ptr<SSL_CTX> context(::SSL_CTX_new(server ? ::TLS_server_method() : ::TLS_client_method()),
                                     ::SSL_CTX_free);
    if (!context) refuse("OpenSSL cannot start");
    ::SSL_CTX_set_min_proto_version(context.get(),
                                    least == tls_version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    ::SSL_CTX_set_options(context.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    ::SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                          SSL_MODE_RELEASE_BUFFERS);
    return context;
}

/// The server's choice, by its own order of preference.
int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void*) {
    const std::string& ours = tls_engine::of(ssl).context->protocols;
    unsigned char* chosen = nullptr;
    if (::SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                static_cast<unsigned>(ours.size()), in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int session_came(SSL* ssl, SSL_SESSION* session) {
    session_ptr owned(session);
    tls_engine& engine = tls_engine::of(ssl);
    if (::SSL_SESSION_is_resumable(session) == 1) {
        try {
            engine.context->sessions.put(engine.server_key, std::move(owned));
        } catch (const std::bad_alloc&) {
            // Without it the next handshake is a long one.
        }
    }
    owned.reset();
    return 1;  // ours in any case
}

}  // namespace
}  // namespace detail

tls_context tls_context::client(const tls_client_options& options) {
    auto state = std::make_shared<detail::tls_context_state>();
    state->context = detail::new_context(false, options.version_min);
    SSL_CTX* context = state->context.get();
    if (options.system_authorities) detail::trust_system(context);
    if (!options.authorities_file.empty()) detail::trust_file(context, options.authorities_file);
    if (!options.authorities_pem.empty()) detail::trust_text(context, options.authorities_pem);
    if (!options.certificate_file.empty() || !options.certificate_pem.empty())
        detail::use_certificate(context, options.certificate_file, options.key_file, options.certificate_pem,
                                options.key_pem);
    state->protocols = detail::wire_form(options.protocols);
    if (!state->protocols.empty() &&
        ::SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(state->protocols.data()),
                                  static_cast<unsigned>(state->protocols.size())) != 0)
        detail::refuse("the protocols (ALPN) cannot be used");
    ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    ::SSL_CTX_sess_set_new_cb(context, detail::session_came);
    return tls_context(std::move(state));
}

tls_context tls_context::server(const tls_server_options& options) {
    auto state = std::make_shared<detail::tls_context_state>();
    state->server = true;
    state->context = detail::new_context(true, options.version_min);
    SSL_CTX* context = state->context.get();
    if (options.certificate_file.empty() && options.certificate_pem.empty())
        detail::refuse_plain("a server needs a certificate and its key (tls_server_options)");
    detail::use_certificate(context, options.certificate_file, options.key_file, options.certificate_pem,
                            options.key_pem);
    if (!options.client_authorities_file.empty())
        detail::trust_file(context, options.client_authorities_file);
    if (!options.client_authorities_pem.empty()) detail::trust_text(context, options.client_authorities_pem);
    state->verifies = !options.client_authorities_file.empty() || !options.client_authorities_pem.empty();
    state->protocols = detail::wire_form(options.protocols);
    if (!state->protocols.empty()) ::SSL_CTX_set_alpn_select_cb(context, detail::choose_protocol, nullptr);
    ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets need no memory here
    static constexpr unsigned char name[] = "simul";
    ::SSL_CTX_set_session_id_context(context, name, sizeof name - 1);
    return tls_context(std::move(state));
}

tls_context tls_context::insecure() const {
    log(log_level::warning,
        "tls: a context that does not verify its peers was made (tls_context::insecure); anybody in between "
        "can "
        "read and change what it carries");
    auto state = std::make_shared<detail::tls_context_state>();
    state->context = state_->context;
    state->server = state_->server;
    state->protocols = state_->protocols;
    state->verifies = false;
    return tls_context(std::move(state));
}

bool tls_context::is_server() const noexcept { return state_->server; }
bool tls_context::verifies() const noexcept { return state_->verifies; }

}  // namespace simul
