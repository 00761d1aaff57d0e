// The side files follow from the tarballs and locks that lie in the folder, so every publisher that looks at the same
// folder writes the same, and whoever wrote last looks again: no conditional writes are needed.
#include "cooper/delivery/side_files.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/publish.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

// With twenty publishers of one folder each may be the last writer once.
constexpr int kTries = 30;
constexpr RetryPolicy kPace{kTries, std::chrono::milliseconds(50), std::chrono::milliseconds(2000)};
constexpr std::size_t kMaxTarballs = 1000;  // of one commit; each means a lock to be read
constexpr std::string_view kTarSuffix = ".tar";
constexpr std::string_view kLockSuffix = ".lock.json";

/// What a folder holds, as far as the side files speak of it.
struct Folder {
    std::vector<DeliveredFile> files;  ///< by name
    Checksums checksums;               ///< of tarballs and locks
};

/// The texts that must lie in a folder.
struct Texts {
    std::string verify;
    std::string load;
    std::string checksums;
};

Texts texts_of(const Folder& folder, const std::string& prefix, const std::optional<Digest>& fingerprint) {
    Texts texts{
        verify_text(prefix.substr(0, prefix.size() - 1), folder.files, fingerprint), load_script(folder.files), {}};
    Checksums checksums = folder.checksums;
    checksums.add(std::string(kVerifyFile), sha256(texts.verify));
    checksums.add(std::string(kLoadFile), sha256(texts.load));
    texts.checksums = checksums.text();
    return texts;
}

class SideFiles {
public:
    SideFiles(Place& place, const std::string& folder, const SigningKey* key, const Run& run)
        : place_(place), prefix_(folder + "/"), key_(key), run_(run) {}

    SideFilesResult write() {
        RetryBudget budget;
        Retrier retrier(kPace, budget, run_);
        do {
            const Folder folder = read_folder();
            if (folder.files.empty()) {
                return result_;
            }
            result_.checksums_key = prefix_ + std::string(kChecksumsFile);
            if (!bring_in_line(folder)) {
                return result_;
            }
            result_.changed = true;
        } while (retrier.again());
        LostRace lost(place_.name() + "/" + result_.checksums_key + " did not settle in " + std::to_string(kTries) +
                      " tries: other publishers keep changing the folder, perhaps with another key");
        lost.advise("run the command again when they are done");
        throw lost;
    }

private:
    [[nodiscard]] std::string url(const std::string& name) const { return place_.name() + "/" + prefix_ + name; }

    /// Names in the folder itself; records (".facts/…", ".NAME:TAG.tar.json") are not for customers.
    std::vector<std::string> names() {
        std::vector<std::string> names;
        for (const std::string& key : place_.list(prefix_, run_)) {
            std::string name = key.substr(prefix_.size());
            if (!name.empty() && name.front() != '.' && name.find('/') == std::string::npos) {
                names.push_back(std::move(name));
            }
        }
        return names;
    }

    Folder read_folder() {
        const std::vector<std::string> there = names();
        std::map<std::string, std::string> tarballs;  // by the name to save under
        for (const std::string& name : there) {
            if (!name.ends_with(kTarSuffix)) {
                continue;
            }
            const auto [other, added] = tarballs.emplace(safe_file_name(name), name);
            if (!added) {
                throw Error(ErrorCode::Conflict,
                            url(other->second) + " and " + name + " would both be saved as " + other->first);
            }
        }
        if (tarballs.size() > kMaxTarballs) {
            throw Error(ErrorCode::InvalidInput, url("") + " has " + std::to_string(tarballs.size()) +
                                                     " tarballs; side files are written for at most " +
                                                     std::to_string(kMaxTarballs));
        }
        Folder folder;
        for (const auto& [name, key_name] : tarballs) {
            run_.check();
            const std::string lock_name = name + std::string(kLockSuffix);
            // One without a lock is of another publisher that is not done, or of a cooper that wrote none.
            if (std::find(there.begin(), there.end(), lock_name) != there.end()) {
                add_tarball(folder, name, key_name, lock_name);
            }
        }
        return folder;
    }

    void add_tarball(Folder& folder, const std::string& name, const std::string& key_name,
                     const std::string& lock_name) {
        const auto text = place_.find_text(prefix_ + lock_name, run_);
        if (!text) {
            return;
        }
        const Lock lock = lock_from_json(text->text, url(lock_name));
        if (lock.output.name != name) {
            throw IntegrityError(url(lock_name) + " is the lock of another tarball", name, lock.output.name);
        }
        check_tarball(lock, key_name);
        DeliveredFile file{key_name, name, lock.output.size, lock.output.sha256, {}};
        for (const LockedImage& image : lock.images) {
            file.repo_tags.insert(file.repo_tags.end(), image.repo_tags.begin(), image.repo_tags.end());
        }
        folder.files.push_back(std::move(file));
        folder.checksums.add(name, lock.output.sha256);
        folder.checksums.add(lock_name, sha256(text->text));
    }

    /// What is signed must be what lies there, as far as the place knows it without reading gigabytes.
    void check_tarball(const Lock& lock, const std::string& key_name) {
        auto known = facts_.find(key_name);
        if (known == facts_.end()) {
            // Delivered tarballs do not change: once is enough.
            known =
                facts_.emplace(key_name, place_.find_tarball(prefix_ + key_name, run_).value_or(TarballFacts{})).first;
        }
        const TarballFacts& facts = known->second;
        if (facts.size != lock.output.size) {
            throw IntegrityError(url(key_name) + " is not what its lock says, in bytes",
                                 std::to_string(lock.output.size), std::to_string(facts.size));
        }
        if (!facts.sha256.empty() && facts.sha256 != lock.output.sha256.hex()) {
            throw IntegrityError(url(key_name) + " is not what its lock says", lock.output.sha256.text(),
                                 "sha256:" + facts.sha256);
        }
    }

    /// False: there was nothing to do.
    bool bring_in_line(const Folder& folder) {
        return key_ != nullptr ? write_signed(folder) : write_without_key(folder);
    }

    bool write_signed(const Folder& folder) {
        const Texts texts = texts_of(folder, prefix_, key_->fingerprint());
        result_.signature_key = prefix_ + std::string(kSignatureFile);
        result_.fingerprint = key_->fingerprint().text();
        const std::string old_key = find(kPublicKeyFile);
        if (!old_key.empty() && old_key != key_->public_key()) {
            warn(url(std::string(kPublicKeyFile)) + " was another key; now the delivery is signed with " +
                 result_.fingerprint);
        }
        bool changed = write_texts(texts);
        changed |= put(kPublicKeyFile, key_->public_key());
        const std::string signature = find(kSignatureFile);
        if (!verify_signature(key_->public_key(), texts.checksums, signature, "the signing key")) {
            place_.put_text(result_.signature_key, key_->sign(texts.checksums), run_);
            changed = true;
        }
        return changed;
    }

    bool write_without_key(const Folder& folder) {
        const std::string signature = find(kSignatureFile);
        const std::string public_key = find(kPublicKeyFile);
        if (const auto texts = texts_that_fit(folder, public_key, signature)) {
            result_.signature_key = prefix_ + std::string(kSignatureFile);
            result_.fingerprint = public_key_fingerprint(public_key, url(std::string(kPublicKeyFile))).text();
            return write_texts(*texts);
        }
        result_.signature_key.clear();
        result_.fingerprint.clear();
        // Before the checksums: at no time is there a signature that does not fit.
        bool changed = remove(kSignatureFile, signature);
        changed |= remove(kPublicKeyFile, public_key);
        if (changed) {
            warn(url(std::string(kSignatureFile)) +
                 " was removed, as it no longer fits: publish with a key to sign the delivery again");
        }
        changed |= write_texts(texts_of(folder, prefix_, std::nullopt));
        return changed;
    }

    /// What another publisher signed, if it still is what must lie here; the key is the folder's own.
    std::optional<Texts> texts_that_fit(const Folder& folder, const std::string& public_key,
                                        const std::string& signature) const {
        if (public_key.empty() || signature.empty()) {
            return std::nullopt;
        }
        try {
            const std::string what = url(std::string(kPublicKeyFile));
            Texts texts = texts_of(folder, prefix_, public_key_fingerprint(public_key, what));
            return verify_signature(public_key, texts.checksums, signature, what) ? std::optional(std::move(texts))
                                                                                  : std::nullopt;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::InvalidInput && error.code() != ErrorCode::Unsupported) {
                throw;
            }
            return std::nullopt;  // no key that anybody could verify with
        }
    }

    bool write_texts(const Texts& texts) {
        bool changed = put(kVerifyFile, texts.verify);
        changed |= put(kLoadFile, texts.load);
        changed |= put(kChecksumsFile, texts.checksums);
        return changed;
    }

    std::string find(std::string_view name) {
        auto found = place_.find_text(prefix_ + std::string(name), run_);
        return found ? std::move(found->text) : std::string();
    }

    bool put(std::string_view name, const std::string& text) {
        if (find(name) == text) {
            return false;
        }
        place_.put_text(prefix_ + std::string(name), text, run_);
        return true;
    }

    bool remove(std::string_view name, const std::string& there) {
        if (there.empty()) {
            return false;
        }
        place_.remove_text(prefix_ + std::string(name), run_);
        return true;
    }

    void warn(const std::string& text) { run_.progress->notice(NoticeLevel::Warning, text); }

    Place& place_;
    std::string prefix_;
    const SigningKey* key_;
    const Run& run_;
    SideFilesResult result_;
    std::map<std::string, TarballFacts, std::less<>> facts_;
};

}  // namespace

SideFilesResult write_side_files(Place& place, const std::string& folder, const SigningKey* key, const Run& run) {
    return in_context("writing the checksums of " + folder, [&] { return SideFiles(place, folder, key, run).write(); });
}

}  // namespace cooper::delivery
