#include "net/tls_engine.hpp"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>

#include <simul/base/error.hpp>
#include <simul/net/endpoint.hpp>

namespace simul::detail {
namespace {

constexpr std::size_t inbound_bytes = 17 * 1024;   ///< one record of the largest size
constexpr std::size_t outbound_bytes = 64 * 1024;  ///< about so much is encrypted before it is sent

std::string text_of(X509_NAME* name) {
    const std::unique_ptr<BIO, openssl_free<BIO_free_all>> out(::BIO_new(::BIO_s_mem()));
    if (!out || name == nullptr) return "?";
    ::X509_NAME_print_ex(out.get(), name, 0,
                         XN_FLAG_ONELINE & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(std::clamp(size, 0L, 200L)));
}

std::string text_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ::ASN1_TIME_to_tm(time, &parts) != 1) return "?";
    return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

/// The hosts that a certificate is for: "a.test, *.b.test, 10.0.0.1".
std::string names_of(X509* certificate) {
    std::string text;
    const auto add = [&](std::string_view name) {
        if (text.size() > 300) return;
        if (!text.empty()) text += ", ";
        text += name;
    };
    auto* names =
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
        const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
        const unsigned char* bytes = ::ASN1_STRING_get0_data(value);
        const auto size = static_cast<std::size_t>(::ASN1_STRING_length(value));
        if (name->type == GEN_DNS) {
            add({reinterpret_cast<const char*>(bytes), size});
        } else if (size == 4) {
            std::array<std::uint8_t, 4> v4{};
            std::memcpy(v4.data(), bytes, size);
            add(ip_address::v4(v4).to_string());
        } else if (size == 16) {
            std::array<std::uint8_t, 16> v6{};
            std::memcpy(v6.data(), bytes, size);
            add(ip_address::v6(v6).to_string());
        }
    }
    ::GENERAL_NAMES_free(names);
    return text.empty() ? "no host" : text;
}

const char* text_of_alert(int alert) {
    if (alert == SSL_AD_CERTIFICATE_REQUIRED)
        return "certificate required";  // OpenSSL 3.0 has no text for it
    return ::SSL_alert_desc_string_long(alert);
}

}  // namespace

tls_engine::tls_engine(std::unique_ptr<stream> under, std::shared_ptr<tls_context_state> shared,
                       std::string host)
    : below(std::move(under)),
      context(std::move(shared)),
      ssl(::SSL_new(context->context.get())),
      name(below->describe()),
      host_(std::move(host)),
      inbound_(new char[inbound_bytes]) {
    BIO* bio = ::BIO_new(bio_method());
    if (!ssl || bio == nullptr) {
        ::BIO_free(bio);
        throw std::system_error(make_error_code(net_errc::tls_failed),
                                fmt::format("TLS with {}: {}", name, take_openssl_errors()));
    }
    ::BIO_set_data(bio, this);
    ::BIO_set_init(bio, 1);
    ::SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_app_data(ssl.get(), this);
    int verify = context->verifies ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
    if (context->server && context->verifies) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    ::SSL_set_verify(ssl.get(), verify, verified);
    if (context->server) {
        ::SSL_set_accept_state(ssl.get());
        return;
    }
    ::SSL_set_connect_state(ssl.get());
    bool known = !host_.empty() && host_.find('\0') == host_.npos;
    if (ip_address::try_parse(host_)) {
        known = known && ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl.get()), host_.c_str()) == 1;
    } else if (known) {
        std::string_view plain = host_;
        if (plain.ends_with('.')) plain.remove_suffix(1);  // RFC 6066: SNI has no dot at its end
        const std::string sent(plain);
        ::SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        known = SSL_set_tlsext_host_name(ssl.get(), sent.c_str()) == 1 &&
                ::SSL_set1_host(ssl.get(), sent.c_str()) == 1;
    }
    if (!known) {
        for (char& c : host_)
            if (c < 0x20 || c == 0x7f) c = '?';
        throw data_error(fmt::format("TLS with {}: '{}' cannot be the name of a host", name, host_));
    }
    server_key = host_ + '\n' + name;
    if (const session_ptr session = context->sessions.take(server_key))
        ::SSL_set_session(ssl.get(), session.get());
}

// --- between OpenSSL and our memory

BIO_METHOD* tls_engine::bio_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* m = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "simul stream");
        ::BIO_meth_set_read(m, bio_read);
        ::BIO_meth_set_write(m, bio_write);
        ::BIO_meth_set_ctrl(m, bio_control);
        return m;
    }();
    return method;
}

int tls_engine::bio_read(BIO* bio, char* into, int size) {
    auto& e = *static_cast<tls_engine*>(::BIO_get_data(bio));
    ::BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    const std::size_t count = std::min(e.inbound_end_ - e.inbound_begin_, static_cast<std::size_t>(size));
    if (count == 0) {
        if (e.inbound_ended_) return 0;
        ::BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
        return -1;
    }
    std::memcpy(into, e.inbound_.get() + e.inbound_begin_, count);
    e.inbound_begin_ += count;
    return static_cast<int>(count);
}

int tls_engine::bio_write(BIO* bio, const char* data, int size) {
    auto& e = *static_cast<tls_engine*>(::BIO_get_data(bio));
    ::BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    try {
        e.outbound_.append(data, static_cast<std::size_t>(size));
    } catch (const std::bad_alloc&) {
        return -1;  // an error of the connection
    }
    return size;
}

long tls_engine::bio_control(BIO* bio, int command, long, void*) {
    const auto& e = *static_cast<tls_engine*>(::BIO_get_data(bio));
    switch (command) {
        case BIO_CTRL_EOF:
            return e.inbound_ended_ && e.inbound_begin_ == e.inbound_end_ ? 1 : 0;
        case BIO_CTRL_FLUSH:
            return 1;
        default:
            return 0;
    }
}

int tls_engine::verified(int ok, X509_STORE_CTX* store) {
    auto* ssl =
        static_cast<SSL*>(::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
    tls_engine& e = of(ssl);
    if (ok == 1 || !e.context->verifies || e.verify_error_ != X509_V_OK) return ok;
    e.verify_error_ = ::X509_STORE_CTX_get_error(store);
    X509* certificate = ::X509_STORE_CTX_get_current_cert(store);
    if (certificate == nullptr) return ok;
    try {
        e.verify_subject_ = text_of(::X509_get_subject_name(certificate));
        e.verify_issuer_ = text_of(::X509_get_issuer_name(certificate));
        e.verify_names_ = names_of(certificate);
        e.verify_time_ =
            text_of(e.verify_error_ == X509_V_ERR_CERT_NOT_YET_VALID ? ::X509_get0_notBefore(certificate)
                                                                     : ::X509_get0_notAfter(certificate));
    } catch (const std::bad_alloc&) {
        return 0;  // refused all the same, with less to say
    }
    return ok;
}

// --- what went wrong

tls_engine::failure tls_engine::explain_certificate() const {
    const auto say = [](net_errc code, std::string text) {
        return failure{make_error_code(code), std::move(text)};
    };
    switch (verify_error_) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return say(net_errc::certificate_expired,
                       fmt::format("the certificate of {} expired on {}; the server needs a new one",
                                   verify_subject_, verify_time_));
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return say(
                net_errc::certificate_not_yet_valid,
                fmt::format("the certificate of {} is valid from {} on (is the clock of this machine right?)",
                            verify_subject_, verify_time_));
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return say(net_errc::certificate_wrong_host,
                       fmt::format("the certificate is for {}; not for {}", verify_names_, host_));
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_CERT_UNTRUSTED:
            return say(
                net_errc::certificate_unknown_ca,
                fmt::format(
                    "no authority that is trusted here has signed the certificate of {} (issuer: {}); if "
                    "it is one of yours, name it in tls_client_options::authorities_file",
                    verify_subject_, verify_issuer_));
        default:
            return say(net_errc::certificate_refused,
                       fmt::format("the certificate of {} is refused: {}", verify_subject_,
                                   ::X509_verify_cert_error_string(verify_error_)));
    }
}

/// A record of TLS begins with 20 to 23; what does not is something else.
std::optional<tls_engine::failure> tls_engine::explain_plain_text() const {
    if (first_bytes_.empty()) return std::nullopt;
    const auto first = static_cast<unsigned char>(first_bytes_[0]);
    if (first >= 20 && first <= 23) return std::nullopt;
    std::string shown;
    for (char c : first_bytes_) shown += c >= 0x20 && c < 0x7f ? c : '.';
    return failure{make_error_code(net_errc::not_tls),
                   fmt::format("it sent '{}' instead of TLS; {}", shown,
                               context->server ? "the client speaks plain text on a TLS port"
                                               : "is this the right port, or is it one without TLS?")};
}

tls_engine::failure tls_engine::explain(int ssl_error, const char* phase) {
    const unsigned long code = ::ERR_peek_error();
    const int reason = ERR_GET_REASON(code);
    failure result;
    if (ssl_error != SSL_ERROR_SSL || ERR_GET_LIB(code) != ERR_LIB_SSL) {
        result = {make_error_code(net_errc::tls_failed), take_openssl_errors()};
    } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify_error_ != X509_V_OK) {
        result = explain_certificate();
    } else if (auto plain = shaken_ ? std::nullopt : explain_plain_text()) {
        result = std::move(*plain);
    } else if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        result = {make_error_code(net_errc::truncated),
                  shaken_ ? "the peer, or somebody in between, cut it" : "the peer closed it in the middle"};
    } else if (reason >= SSL_AD_REASON_OFFSET) {
        const int alert = reason - SSL_AD_REASON_OFFSET;
        const bool nothing_common = alert == SSL_AD_PROTOCOL_VERSION || alert == SSL_AD_HANDSHAKE_FAILURE ||
                                    alert == SSL_AD_INSUFFICIENT_SECURITY ||
                                    alert == SSL_AD_NO_APPLICATION_PROTOCOL;
        result = {make_error_code(nothing_common ? net_errc::no_common_protocol : net_errc::refused_by_peer),
                  fmt::format("the peer sent the alert '{}'", text_of_alert(alert))};
    } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_NO_SHARED_CIPHER ||
               reason == SSL_R_NO_PROTOCOLS_AVAILABLE || reason == SSL_R_NO_APPLICATION_PROTOCOL ||
               reason == SSL_R_VERSION_TOO_LOW || reason == SSL_R_WRONG_SSL_VERSION ||
               reason == SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM) {
        result = {make_error_code(net_errc::no_common_protocol), take_openssl_errors()};
    } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        result = {make_error_code(net_errc::certificate_refused), "the client showed no certificate"};
    } else {
        result = {make_error_code(net_errc::tls_failed), take_openssl_errors()};
    }
    ::ERR_clear_error();
    result.text = fmt::format("{} {}: {}", phase, name, result.text);
    return result;
}

void tls_engine::throw_failure(const char* call, int result, bool writes) const {
    const auto& why = writes ? write_failure_ : read_failure_;
    if (result == failed && why) throw std::system_error(why->code, why->text);
    stream_access::throw_failure(*below, call, result);
}

// --- handshake and goodbye

task<> tls_engine::handshake() {
    std::exception_ptr not_sent;
    for (;;) {
        ::ERR_clear_error();
        const int done = ::SSL_do_handshake(ssl.get());
        const int error = done == 1 ? SSL_ERROR_NONE : ::SSL_get_error(ssl.get(), done);
        std::optional<failure> why;
        if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ)
            why = explain(error, "TLS handshake with");
        if (!outbound_.empty() && !not_sent) {
            try {
                co_await below->write_all(outbound_);
            } catch (const std::system_error& e) {  // the peer may have said why before it went
                not_sent = std::make_exception_ptr(std::system_error(e.code(), "TLS handshake with " + name));
            }
            outbound_.clear();
        }
        if (why && not_sent && (inbound_ended_ || why->code == net_errc::tls_failed))
            std::rethrow_exception(not_sent);
        if (why) throw std::system_error(why->code, why->text);
        if (error == SSL_ERROR_NONE) {
            if (not_sent) std::rethrow_exception(not_sent);
            shaken_ = true;
            co_return;
        }
        inbound_begin_ = 0;
        try {
            inbound_end_ = co_await below->read_some({inbound_.get(), inbound_bytes});
        } catch (const std::system_error& e) {
            throw std::system_error(e.code(), "TLS handshake with " + name);
        }
        inbound_ended_ = inbound_end_ == 0;
        if (first_bytes_.size() < 8)
            first_bytes_.append(inbound_.get(), std::min(inbound_end_, 8 - first_bytes_.size()));
    }
}

task<> tls_engine::goodbye() {
    goodbye_said_ = true;
    ::ERR_clear_error();
    ::SSL_shutdown(ssl.get());  // only writes; we do not wait for the answer
    ::ERR_clear_error();
    co_await below->write_all(outbound_);
    outbound_.clear();
}

// --- reading

bool tls_engine::begin_read(io_op& op) noexcept {
    if (read_failure_) {
        op.result = failed;
        return true;
    }
    if (decrypt(op) || read_on(op)) return true;
    reader_ = &op;
    read_canceled_ = false;
    return false;
}

/// Gives what OpenSSL has. False: it wants more.
bool tls_engine::decrypt(io_op& op) noexcept {
    ::ERR_clear_error();
    std::size_t count = 0;
    const int done = ::SSL_read_ex(ssl.get(), op.buffer, std::min<std::size_t>(op.size, INT_MAX), &count);
    if (done == 1) {
        op.result = static_cast<int>(count);
        return true;
    }
    const int error = ::SSL_get_error(ssl.get(), done);
    if (error == SSL_ERROR_WANT_READ) return false;
    if (error == SSL_ERROR_ZERO_RETURN) {
        op.result = 0;
        return true;
    }
    try {
        read_failure_ = explain(error, "read from");
        op.result = failed;
    } catch (const std::bad_alloc&) {
        op.result = -ENOMEM;
    }
    return true;
}

/// Reads from below until there is something for `op` (true) or that has to wait.
bool tls_engine::read_on(io_op& op) noexcept {
    do {
        inbound_begin_ = inbound_end_ = 0;
        inner_read_.buffer = inbound_.get();
        inner_read_.size = inbound_bytes;
        if (!stream_access::begin_read(*below, inner_read_)) return false;
    } while (!took(op, inner_read_.result));
    return true;
}

bool tls_engine::took(io_op& op, int result) noexcept {
    if (result < 0) {
        op.result = result;
        return true;
    }
    inbound_end_ = static_cast<std::size_t>(result);
    inbound_ended_ = result == 0;
    return decrypt(op);
}

void tls_engine::read_completed() noexcept {
    io_op& op = *reader_;
    const int result = inner_read_.result;
    if (read_canceled_) {
        if (result >= 0) {  // it stays for the next read
            inbound_end_ = static_cast<std::size_t>(result);
            inbound_ended_ = result == 0;
        }
        op.result = result >= 0 ? -ECANCELED : result;
    } else if (!took(op, result) && !read_on(op)) {
        return;
    }
    reader_ = nullptr;
    op.completed();
}

void tls_engine::cancel_read() noexcept {
    read_canceled_ = true;
    stream_access::cancel_read(*below, inner_read_);
}

// --- writing

bool tls_engine::begin_write(io_op& op) noexcept {
    if (goodbye_said_) {
        op.result = -EPIPE;
        return true;
    }
    if (write_failure_) {
        op.result = failed;
        return true;
    }
    std::string_view data(static_cast<const char*>(op.buffer), op.size);
    accepted_ = 0;
    while (!data.empty() && outbound_.size() < outbound_bytes) {
        ::ERR_clear_error();
        std::size_t count = 0;
        const int done = ::SSL_write_ex(ssl.get(), data.data(), data.size(), &count);
        if (done != 1) {
            try {
                write_failure_ = explain(::SSL_get_error(ssl.get(), done), "write to");
                op.result = failed;
            } catch (const std::bad_alloc&) {
                op.result = -ENOMEM;
            }
            return true;
        }
        data.remove_prefix(count);
        accepted_ += static_cast<int>(count);
    }
    int error = 0;
    if (!flush(error)) {
        writer_ = &op;
        write_canceled_ = false;
        return false;
    }
    op.result = error < 0 ? error : accepted_;
    return true;
}

/// Sends what is encrypted. False: it has to wait. An error of the stream below goes to `error`.
bool tls_engine::flush(int& error) noexcept {
    while (outbound_sent_ < outbound_.size()) {
        inner_write_.buffer = outbound_.data() + outbound_sent_;
        inner_write_.size = outbound_.size() - outbound_sent_;
        if (!stream_access::begin_write(*below, inner_write_)) return false;
        if (inner_write_.result <= 0) {
            error = inner_write_.result < 0 ? inner_write_.result : -EPIPE;
            return true;
        }
        outbound_sent_ += static_cast<std::size_t>(inner_write_.result);
    }
    outbound_.clear();
    outbound_sent_ = 0;
    return true;
}

void tls_engine::write_completed() noexcept {
    io_op& op = *writer_;
    int result = inner_write_.result;
    if (result > 0) {
        outbound_sent_ += static_cast<std::size_t>(result);
        result = 0;
        if (write_canceled_ && outbound_sent_ < outbound_.size())
            result = -ECANCELED;
        else if (!flush(result))
            return;
    } else if (result == 0) {
        result = -EPIPE;
    }
    if (result == -ECANCELED) {
        // Half a record may have left: nothing that we write can be understood any more.
        try {
            write_failure_ = {make_error_code(net_errc::write_canceled), fmt::format("write to {}", name)};
        } catch (const std::bad_alloc&) {
            write_failure_.emplace();
        }
    }
    op.result = result < 0 ? result : accepted_;
    writer_ = nullptr;
    op.completed();
}

void tls_engine::cancel_write() noexcept {
    write_canceled_ = true;
    stream_access::cancel_write(*below, inner_write_);
}

}  // namespace simul::detail
