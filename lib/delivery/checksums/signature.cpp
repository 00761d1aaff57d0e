// ECDSA over P-256 by OpenSSL's EVP interface.
#include "cooper/delivery/signature.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstring>
#include <optional>

namespace cooper::delivery {
namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using PrivateKeyInfo = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Freed<PKCS8_PRIV_KEY_INFO_free>>;
using SealedKey = std::unique_ptr<X509_SIG, Freed<X509_SIG_free>>;
using Algorithm = std::unique_ptr<X509_ALGOR, Freed<X509_ALGOR_free>>;

constexpr const char* kCurve = "P-256";
constexpr const char* kOpensslCurve = "prime256v1";
// What OWASP asks of PBKDF2 with HMAC-SHA256 (2023); a fifth of a second.
constexpr int kPasswordRounds = 600'000;
constexpr int kSaltBytes = 16;

constexpr const char* kHowToMake =
    "`cooper keys generate` makes one, and so does `openssl ecparam -name prime256v1 -genkey -noout`";

/// OpenSSL keeps a queue of what went wrong, which may quote what it read: it is dropped, our words must do.
[[noreturn]] void fail_in_openssl(const std::string& action) {
    ERR_clear_error();
    throw Error(ErrorCode::System, "OpenSSL failed to " + action);
}

[[noreturn]] void refuse(ErrorCode code, const std::string& message, const std::string& advice) {
    ERR_clear_error();
    Error error(code, message);
    error.advise(advice);
    throw error;
}

/// Its memory is wiped when it goes.
Bio secret_bio() {
    Bio bio(BIO_new(BIO_s_secmem()));
    if (!bio) {
        fail_in_openssl("find memory");
    }
    return bio;
}

std::string_view content_of(const Bio& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

Bio reader_of(std::string_view text) {
    Bio bio(text.size() <= kMaxKeyFile ? BIO_new_mem_buf(text.data(), static_cast<int>(text.size())) : nullptr);
    if (!bio) {
        fail_in_openssl("read a key of " + std::to_string(text.size()) + " bytes");
    }
    return bio;
}

/// A key in a PEM text, from its first line on.
struct PemKey {
    std::string_view label;
    std::string_view text;
};

/// The first block whose label ends with "KEY": `openssl ecparam -genkey` puts another one, parameters, before it.
std::optional<PemKey> find_key(std::string_view text) {
    constexpr std::string_view kBegin = "-----BEGIN ";
    constexpr std::string_view kEnd = "-----";
    for (std::size_t at = text.find(kBegin); at != std::string_view::npos; at = text.find(kBegin, at + 1)) {
        const std::size_t start = at + kBegin.size();
        const std::size_t end = text.find(kEnd, start);
        if (end == std::string_view::npos) {
            break;
        }
        const std::string_view label = text.substr(start, end - start);
        if (label.ends_with("KEY") && label.find('\n') == std::string_view::npos) {
            return PemKey{label, text.substr(at)};
        }
    }
    return std::nullopt;
}

PemKey require_key(std::string_view text, const std::string& what) {
    const auto found = find_key(text);
    if (!found) {
        refuse(ErrorCode::InvalidInput, what + " holds no key in PEM (a line \"-----BEGIN … KEY-----\")",
               "an ECDSA key for P-256 is needed: " + std::string(kHowToMake));
    }
    return *found;
}

/// Hands the passphrase over, or nothing: OpenSSL's own callback would ask on the terminal.
int give_passphrase(char* into, int size, int /*writing*/, void* passphrase) {
    const std::string& text = static_cast<const Secret*>(passphrase)->reveal();
    if (text.empty() || text.size() > static_cast<std::size_t>(size)) {
        return -1;
    }
    std::memcpy(into, text.data(), text.size());
    return static_cast<int>(text.size());
}

std::string text_parameter(const Key& key, const char* name) {
    std::array<char, 80> text{};
    std::size_t size = 0;
    if (EVP_PKEY_get_utf8_string_param(key.get(), name, text.data(), text.size(), &size) != 1) {
        ERR_clear_error();
        return {};
    }
    return std::string(text.data(), size);
}

void check_kind(const Key& key, const std::string& what) {
    const char* kind = EVP_PKEY_get0_type_name(key.get());
    if (EVP_PKEY_is_a(key.get(), "EC") != 1) {
        refuse(ErrorCode::Unsupported,
               what + " is a key of the kind " + (kind == nullptr ? "unknown" : kind) + ", not ECDSA over P-256",
               std::string("deliveries are signed so that any OpenSSL can verify them: ") + kHowToMake);
    }
    const std::string curve = text_parameter(key, OSSL_PKEY_PARAM_GROUP_NAME);
    if (curve != kOpensslCurve) {
        refuse(ErrorCode::Unsupported,
               what + " is a key on the curve " + (curve.empty() ? "without a name" : curve) + ", not " + kCurve,
               kHowToMake);
    }
    if (text_parameter(key, OSSL_PKEY_PARAM_EC_ENCODING) != OSSL_PKEY_EC_ENCODING_GROUP) {
        refuse(ErrorCode::Unsupported, what + " spells its curve out instead of naming it",
               "`openssl ec -in KEY -param_enc named_curve` names it");
    }
}

Key read_private(const PemKey& pem, const std::string& what, const PassphraseSource& passphrase) {
    const bool encrypted =
        pem.label == "ENCRYPTED PRIVATE KEY" || pem.text.find("Proc-Type: 4,ENCRYPTED") != std::string_view::npos;
    Secret word = encrypted ? passphrase(what) : Secret();
    if (word.reveal().size() > PEM_BUFSIZE) {
        throw Error(ErrorCode::InvalidInput,
                    "the passphrase of " + what + " is longer than " + std::to_string(PEM_BUFSIZE) + " bytes");
    }
    Key key(PEM_read_bio_PrivateKey(reader_of(pem.text).get(), nullptr, &give_passphrase, &word));
    if (!key && encrypted) {
        refuse(ErrorCode::AccessDenied, "the passphrase of " + what + " is wrong, or the key is damaged", "");
    }
    if (!key) {
        refuse(ErrorCode::InvalidInput, what + " is damaged: OpenSSL cannot read the key in it",
               "`openssl pkey -in FILE -noout` tells more");
    }
    check_kind(key, what);
    const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new(key.get(), nullptr));
    if (!context || EVP_PKEY_pairwise_check(context.get()) != 1) {
        refuse(ErrorCode::InvalidInput, what + " is damaged: its private and public halves do not belong together", "");
    }
    return key;
}

void check_private_label(const PemKey& pem, const std::string& what) {
    if (pem.label.find("COSIGN") != std::string_view::npos || pem.label.find("SIGSTORE") != std::string_view::npos) {
        refuse(
            ErrorCode::Unsupported, what + " is encrypted in cosign's own way",
            "make a key with `cooper keys generate`; cosign takes it with `cosign import-key-pair --key cooper.key`");
    }
    if (pem.label == "OPENSSH PRIVATE KEY") {
        refuse(ErrorCode::Unsupported, what + " is a key of OpenSSH", kHowToMake);
    }
    if (!pem.label.ends_with("PRIVATE KEY")) {
        refuse(ErrorCode::InvalidInput,
               what + " is a public key (" + std::string(pem.label.substr(0, 40)) + "): signing takes the private one",
               "");
    }
}

Key read_public(std::string_view text, const std::string& what) {
    if (text.size() > kMaxKeyFile) {
        throw Error(ErrorCode::InvalidInput, what + " has " + std::to_string(text.size()) + " bytes: that is no key");
    }
    const PemKey pem = require_key(text, what);
    if (pem.label != "PUBLIC KEY") {
        refuse(ErrorCode::InvalidInput,
               what + " holds a " + std::string(pem.label.substr(0, 40)) + ", not a PUBLIC KEY",
               "`cooper keys public KEY` prints the public half of a private key");
    }
    Key key(PEM_read_bio_PUBKEY(reader_of(pem.text).get(), nullptr, nullptr, nullptr));
    if (!key) {
        refuse(ErrorCode::InvalidInput, what + " is damaged: OpenSSL cannot read the public key in it", "");
    }
    check_kind(key, what);
    return key;
}

Digest fingerprint_of(const Key& key) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key.get(), &der);
    if (size <= 0) {
        fail_in_openssl("encode a public key");
    }
    const std::unique_ptr<unsigned char, decltype([](unsigned char* memory) { OPENSSL_free(memory); })> owner(der);
    return sha256(std::as_bytes(std::span(der, static_cast<std::size_t>(size))));
}

std::string public_pem_of(const Key& key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!bio || PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) {
        fail_in_openssl("encode a public key");
    }
    return std::string(content_of(bio));
}

const unsigned char* octets(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// Files that others may read are usual where a secret store mounts them (0444 in a directory of its own), so this is
/// a warning.
void warn_of_readers(const std::filesystem::path& path, const Run& run) {
    constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & kOthers) != 0) {
        run.progress->notice(NoticeLevel::Warning,
                             path.string() + " can be used by others than its owner: chmod 600 it");
    }
}

SealedKey seal(const PrivateKeyInfo& info, const std::string& passphrase) {
    std::array<unsigned char, kSaltBytes> salt{};
    if (RAND_bytes(salt.data(), kSaltBytes) != 1) {
        fail_in_openssl("make random bytes");
    }
    Algorithm algorithm(
        PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), kPasswordRounds, salt.data(), kSaltBytes, nullptr, NID_hmacWithSHA256));
    SealedKey sealed(
        algorithm ? PKCS8_set0_pbe(passphrase.data(), static_cast<int>(passphrase.size()), info.get(), algorithm.get())
                  : nullptr);
    if (!sealed) {
        fail_in_openssl("encrypt a private key");
    }
    static_cast<void>(algorithm.release());  // part of `sealed` now
    return sealed;
}

}  // namespace

struct SigningKey::State {
    explicit State(Key read) : key(std::move(read)), public_pem(public_pem_of(key)), fingerprint(fingerprint_of(key)) {}

    Key key;
    std::string public_pem;
    Digest fingerprint;
};

SigningKey::SigningKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}

SigningKey SigningKey::load(const std::filesystem::path& path, const PassphraseSource& passphrase, const Run& run) {
    const Secret pem(read_file(path, kMaxKeyFile));
    SigningKey key = from_pem(pem, path.string(), passphrase);
    warn_of_readers(path, run);
    return key;
}

SigningKey SigningKey::from_pem(const Secret& pem, const std::string& what, const PassphraseSource& passphrase) {
    if (pem.reveal().size() > kMaxKeyFile) {
        throw Error(ErrorCode::InvalidInput,
                    what + " has " + std::to_string(pem.reveal().size()) + " bytes: that is no key");
    }
    const PemKey found = require_key(pem.reveal(), what);
    check_private_label(found, what);
    return SigningKey(std::make_shared<const State>(read_private(found, what, passphrase)));
}

SigningKey SigningKey::generate() {
    Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kCurve));
    if (!key) {
        fail_in_openssl("make a key");
    }
    return SigningKey(std::make_shared<const State>(std::move(key)));
}

std::string SigningKey::sign(std::string_view bytes) const {
    const DigestContext context(EVP_MD_CTX_new());
    std::size_t size = 0;
    if (!context ||
        EVP_DigestSignInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, state_->key.get(), nullptr) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, octets(bytes), bytes.size()) != 1) {
        fail_in_openssl("sign");
    }
    std::string signature(size, '\0');
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, octets(bytes),
                       bytes.size()) != 1) {
        fail_in_openssl("sign");
    }
    signature.resize(size);
    return signature;
}

const std::string& SigningKey::public_key() const noexcept {
    return state_->public_pem;
}

const Digest& SigningKey::fingerprint() const noexcept {
    return state_->fingerprint;
}

Secret SigningKey::private_key(const Secret& passphrase) const {
    const PrivateKeyInfo info(EVP_PKEY2PKCS8(state_->key.get()));
    if (!info) {
        fail_in_openssl("encode a private key");
    }
    const Bio bio = secret_bio();
    const int written = passphrase.empty() ? PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio.get(), info.get())
                                           : PEM_write_bio_PKCS8(bio.get(), seal(info, passphrase.reveal()).get());
    if (written != 1) {
        fail_in_openssl("encode a private key");
    }
    return Secret(std::string(content_of(bio)));
}

bool verify_signature(std::string_view public_pem, std::string_view bytes, std::string_view signature,
                      const std::string& what) {
    const Key key = read_public(public_pem, what);
    const DigestContext context(EVP_MD_CTX_new());
    if (!context ||
        EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", nullptr, nullptr, key.get(), nullptr) != 1) {
        fail_in_openssl("verify a signature");
    }
    const int verdict =
        EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(bytes), bytes.size());
    ERR_clear_error();
    return verdict == 1;
}

Digest public_key_fingerprint(std::string_view public_pem, const std::string& what) {
    return fingerprint_of(read_public(public_pem, what));
}

}  // namespace cooper::delivery
