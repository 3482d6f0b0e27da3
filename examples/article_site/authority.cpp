#include "authority.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdexcept>

namespace {

template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};
using key = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using x509 = std::unique_ptr<X509, freed_by<X509_free>>;
using bio = std::unique_ptr<BIO, freed_by<BIO_free_all>>;

void require(bool done) {
    if (!done) throw std::runtime_error("OpenSSL could not make a certificate");
}

/// A certificate for `subject_key`, signed with `issuer_key`. `issuer`: null if it signs itself.
x509 make(EVP_PKEY* subject_key, const char* name, EVP_PKEY* issuer_key, X509* issuer,
          const char* constraints, const std::string& alternative_names) {
    constexpr long day = 24L * 60 * 60;
    static long serial = 0;
    x509 made(X509_new());
    require(made != nullptr);
    X509_set_version(made.get(), 2);  // counts from 0: this is X.509v3
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), day);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509* const signer = issuer != nullptr ? issuer : made.get();
    X509_set_issuer_name(made.get(), X509_get_subject_name(signer));
    X509_set_pubkey(made.get(), subject_key);

    X509V3_CTX context{};
    X509V3_set_ctx(&context, signer, made.get(), nullptr, nullptr, 0);
    const auto extend = [&](int id, const char* value) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value);
        require(extension != nullptr && X509_add_ext(made.get(), extension, -1) == 1);
        X509_EXTENSION_free(extension);
    };
    extend(NID_basic_constraints, constraints);
    extend(NID_subject_key_identifier, "hash");
    if (!alternative_names.empty()) extend(NID_subject_alt_name, alternative_names.c_str());
    require(X509_sign(made.get(), issuer_key, EVP_sha256()) > 0);
    return made;
}

template <class Write>
std::string pem(Write write) {
    const bio memory(BIO_new(BIO_s_mem()));
    require(memory != nullptr && write(memory.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

struct authority::keys {
    key own{EVP_EC_gen("P-256")};
    x509 certificate = make(own.get(), "the example's authority", own.get(), nullptr, "critical,CA:TRUE", "");
};

authority::authority() : keys_(std::make_unique<keys>()) {}
authority::~authority() = default;

simul::tls_context authority::trust() const {
    simul::tls_client_options options;
    options.system_authorities = false;
    options.authorities_pem = pem([&](BIO* to) { return PEM_write_bio_X509(to, keys_->certificate.get()); });
    return simul::tls_context::client(options);
}

simul::tls_context authority::identity_of(const std::string& host) const {
    const key own(EVP_EC_gen("P-256"));
    const x509 certificate = make(own.get(), host.c_str(), keys_->own.get(), keys_->certificate.get(),
                                  "critical,CA:FALSE", "DNS:" + host);
    simul::tls_server_options options;
    options.certificate_pem = pem([&](BIO* to) { return PEM_write_bio_X509(to, certificate.get()); });
    options.key_pem = pem([&](BIO* to) {
        return PEM_write_bio_PrivateKey(to, own.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
    return simul::tls_context::server(options);
}
