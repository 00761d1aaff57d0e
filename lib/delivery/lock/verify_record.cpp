#include "delivery/lock/verify_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/signature.hpp"

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxSignature = 4096;  // an ECDSA signature has some 70 bytes

/// What was written by us and cannot be read any more was damaged.
template <class F>
auto as_damage(const std::string& what, F&& body) -> decltype(body()) {
    try {
        return body();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        throw Error(ErrorCode::Integrity, what + " is damaged: " + error.what());
    }
}

void check_signature(const std::string& checksums, const std::filesystem::path& beside, const VerifyOptions& options) {
    const auto signature_path = beside / kSignatureFile;
    const std::string signature = read_file(signature_path, kMaxSignature);
    const std::string key = read_file(options.public_key, kMaxKeyFile);
    if (!verify_signature(key, checksums, signature, options.public_key.string())) {
        Error error(ErrorCode::Integrity, signature_path.string() + " is not the signature of " +
                                              options.checksums.string() + " by the key " +
                                              options.public_key.string() + ": one of the three was changed");
        error.advise("compare the key's fingerprint with the one that you were sent: " +
                     public_key_fingerprint(key, options.public_key.string()).text());
        throw error;
    }
}

void check_listed(const Checksums& checksums, const std::string& name, const Digest& expected,
                  const VerifyOptions& options) {
    if (const Digest* listed = checksums.find(name); listed != nullptr && *listed != expected) {
        throw IntegrityError(
            options.checksums.string() + " and the lock speak of different files: the SHA-256 of " + name,
            listed->text(), expected.text());
    }
}

std::string check_checksums(const std::filesystem::path& lock_path, const std::string& lock_text, const Lock& lock,
                            const VerifyOptions& options) {
    const std::string text = read_file(options.checksums, kMaxChecksums);
    std::string evidence;
    if (!options.public_key.empty()) {
        check_signature(text, options.checksums.parent_path(), options);
        evidence = ", signed by " + options.public_key.filename().string();
    }
    const auto checksums =
        as_damage(options.checksums.string(), [&] { return Checksums::parse(text, options.checksums.string()); });
    const std::string name = safe_file_name(lock.output.name);
    if (checksums.find(name) == nullptr) {
        throw Error(ErrorCode::Integrity, options.checksums.string() + " does not list " + name);
    }
    check_listed(checksums, name, lock.output.sha256, options);
    const std::string lock_name = lock_path.filename().string();
    check_listed(checksums, lock_name, sha256(lock_text), options);
    return "; " + options.checksums.filename().string() + " lists " + name +
           (checksums.find(lock_name) == nullptr ? "" : " and the lock") + evidence;
}

}  // namespace

Record check_record(const std::filesystem::path& lock_path, const VerifyOptions& options) {
    const std::string text = read_file(lock_path, kMaxLock);
    Lock lock = as_damage("the lock " + lock_path.string(), [&] { return lock_from_json(text, lock_path.string()); });
    std::string evidence = "the lock is well formed and what its digest says";
    if (!options.checksums.empty()) {
        evidence += check_checksums(lock_path, text, lock, options);
    }
    return {std::move(lock), std::move(evidence)};
}

}  // namespace cooper::delivery
