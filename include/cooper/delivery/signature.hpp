// Signatures of deliveries: ECDSA over P-256 with SHA-256, the kind that a plain `openssl dgst -sha256 -verify` of any
// version checks (Ed25519 needs OpenSSL 3 and another command).
//
//   const SigningKey key = SigningKey::load("cooper.key", [] { return Secret(ask()); }, run);
//   const std::string der = key.sign(text);
//   verify_signature(key.public_key(), text, der, "cooper.pub");   // true
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/secret.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace cooper::delivery {

/// More is no key: an encrypted P-256 key has some 400 bytes, parameters and comments around it included.
inline constexpr std::size_t kMaxKeyFile = 64 * 1024;

/// Asked for a passphrase only when a key is encrypted; `what` names the key. May throw.
using PassphraseSource = std::function<Secret(const std::string& what)>;

/// A private key. A value; const methods may be called from several threads at once. Its memory is wiped when the last
/// copy goes.
class SigningKey {
public:
    /// From a file: PKCS#8 ("PRIVATE KEY"), PKCS#8 with a passphrase ("ENCRYPTED PRIVATE KEY", PBES2) or SEC1 ("EC
    /// PRIVATE KEY"). Warns through `run` of a file that others than its owner can read. Throws Error{InvalidInput} for
    /// what is no such key, Error{AccessDenied} for a wrong passphrase, Error{Unsupported} for keys of another kind
    /// (RSA, Ed25519, other curves, encrypted by cosign); messages never hold key or passphrase.
    static SigningKey load(const std::filesystem::path& path, const PassphraseSource& passphrase, const Run& run);
    /// From PEM text; `what` names it in messages.
    static SigningKey from_pem(const Secret& pem, const std::string& what, const PassphraseSource& passphrase);
    static SigningKey generate();

    /// ECDSA with SHA-256 over `bytes`, in DER. Another one each time.
    [[nodiscard]] std::string sign(std::string_view bytes) const;
    /// PEM, SubjectPublicKeyInfo ("PUBLIC KEY").
    [[nodiscard]] const std::string& public_key() const noexcept;
    /// The SHA-256 of the public key's DER: `openssl pkey -pubin -in cooper.pub -outform DER | openssl dgst -sha256`.
    [[nodiscard]] const Digest& fingerprint() const noexcept;
    /// PEM, PKCS#8. With a passphrase: PBES2, AES-256-CBC, PBKDF2 with HMAC-SHA256, which OpenSSL 1.1 reads as well.
    [[nodiscard]] Secret private_key(const Secret& passphrase) const;

private:
    struct State;
    explicit SigningKey(std::shared_ptr<const State> state);
    std::shared_ptr<const State> state_;
};

/// True when `signature` (DER) is the key's over `bytes`; false for one that is not, or no DER at all. `what` names the
/// key. Throws Error{InvalidInput} for what is no public key in PEM, Error{Unsupported} for one of another kind.
bool verify_signature(std::string_view public_pem, std::string_view bytes, std::string_view signature,
                      const std::string& what);

/// A public key's fingerprint, as SigningKey::fingerprint(). Throws as verify_signature().
Digest public_key_fingerprint(std::string_view public_pem, const std::string& what);

}  // namespace cooper::delivery
