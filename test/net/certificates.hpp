#pragma once
// Certificates for tests, made when they are needed: an authority of our own, and what it signs.

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace simul::testing {

struct certificate {
    std::string pem;
    std::string key_pem;
};

/// An authority. Keys are P-256: made in less than a millisecond.
class authority {
  public:
    explicit authority(std::string name = "simul test authority", const std::string& names = "")
        : name_(std::move(name)), key_(new_key()) {
        certificate_ = make(key_.get(), name_, -3600, 3600, "critical,CA:TRUE", names);
        pem_ = pem_of(certificate_.get());
    }

    /// The authority's own certificate.
    const std::string& pem() const { return pem_; }

    /// The same with its key: what a server shows that signs for itself.
    certificate self_signed() const { return {pem_, pem_of(key_.get())}; }

    /// A certificate for `names` ("DNS:a.test,IP:127.0.0.1"), valid from `from` to `until` seconds from now.
    certificate sign(const std::string& names, long from = -3600, long until = 3600) const {
        const key own = new_key();
        const x509 made = make(own.get(), "simul test", from, until, "critical,CA:FALSE", names);
        return {pem_of(made.get()), pem_of(own.get())};
    }

  private:
    struct free_key {
        void operator()(EVP_PKEY* k) const { ::EVP_PKEY_free(k); }
    };
    struct free_x509 {
        void operator()(X509* x) const { ::X509_free(x); }
    };
    struct free_bio {
        void operator()(BIO* b) const { ::BIO_free_all(b); }
    };
    using key = std::unique_ptr<EVP_PKEY, free_key>;
    using x509 = std::unique_ptr<X509, free_x509>;

    static key new_key() { return key(EVP_EC_gen("P-256")); }

    static std::string text_of(BIO* bio) {
        char* data = nullptr;
        const long size = BIO_get_mem_data(bio, &data);
        return std::string(data, static_cast<std::size_t>(size));
    }
    static std::string pem_of(X509* x) {
        const std::unique_ptr<BIO, free_bio> bio(::BIO_new(::BIO_s_mem()));
        REQUIRE(::PEM_write_bio_X509(bio.get(), x) == 1);
        return text_of(bio.get());
    }
    static std::string pem_of(EVP_PKEY* k) {
        const std::unique_ptr<BIO, free_bio> bio(::BIO_new(::BIO_s_mem()));
        REQUIRE(::PEM_write_bio_PrivateKey(bio.get(), k, nullptr, nullptr, 0, nullptr, nullptr) == 1);
        return text_of(bio.get());
    }

    x509 make(EVP_PKEY* subject_key, const std::string& subject, long from, long until,
              const char* constraints, const std::string& names) const {
        static long serial = 1;
        x509 made(::X509_new());
        ::X509_set_version(made.get(), 2);
        ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), ++serial);
        ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), from);
        ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), until);
        const auto set_name = [](X509_NAME* to, const std::string& text) {
            ::X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_UTF8,
                                         reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
        };
        set_name(::X509_get_subject_name(made.get()), subject);
        set_name(::X509_get_issuer_name(made.get()), name_);
        ::X509_set_pubkey(made.get(), subject_key);
        X509V3_CTX context{};
        ::X509V3_set_ctx(&context, certificate_ ? certificate_.get() : made.get(), made.get(), nullptr,
                         nullptr, 0);
        const auto extend = [&](int id, const char* value) {
            X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, id, value);
            REQUIRE(extension != nullptr);
            ::X509_add_ext(made.get(), extension, -1);
            ::X509_EXTENSION_free(extension);
        };
        extend(NID_basic_constraints, constraints);
        extend(NID_subject_key_identifier, "hash");
        // Without these Python 3.13 and others refuse what they verify strictly.
        if (certificate_)
            extend(NID_authority_key_identifier, "keyid:always");
        else
            extend(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign");
        if (!names.empty()) extend(NID_subject_alt_name, names.c_str());
        REQUIRE(::X509_sign(made.get(), key_.get(), ::EVP_sha256()) > 0);
        return made;
    }

    std::string name_;
    key key_;
    x509 certificate_;
    std::string pem_;
};

/// One for all tests of a program.
inline const authority& test_authority() {
    static const authority one;
    return one;
}

}  // namespace simul::testing
