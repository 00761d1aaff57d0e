#include "cooper/base/error.hpp"

#include "base/workers.hpp"
#include "oci/descriptor_json.hpp"
#include "oci/store/store_contents.hpp"
#include "oci/store/store_names.hpp"
#include "oci/store/store_state.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTask = "verify";

/// Takes each hash of a file and says what is wrong with it.
class Verifier {
public:
    Verifier(const StoreReferences& references, std::vector<StoredFile> files, const Run& run)
        : references_(references), files_(std::move(files)), run_(run) {
        std::sort(files_.begin(), files_.end(),
                  [](const StoredFile& a, const StoredFile& b) { return a.size() > b.size(); });
    }

    struct Finding {
        const StoredFile* file = nullptr;
        std::string why;
    };

    std::vector<Finding> check_all(Store::Verified& verified) {
        std::uint64_t total = 0;
        for (const StoredFile& file : files_) {
            total += file.size();
        }
        run_.progress->begin(kTask, total);
        Workers workers(run_);
        const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
        for (std::size_t i = 0; i < std::min(threads, files_.size()); ++i) {
            workers.start([this, run = workers.run()] {
                for (std::size_t next = next_++; next < files_.size(); next = next_++) {
                    check(files_[next], run);
                }
            });
        }
        workers.join();
        run_.progress->end(kTask);
        verified.blobs = blobs_;
        verified.bytes = bytes_;
        std::sort(findings_.begin(), findings_.end(),
                  [](const Finding& a, const Finding& b) { return a.file->digest < b.file->digest; });
        return std::move(findings_);
    }

private:
    void check(const StoredFile& file, const Run& run) {
        if (!S_ISREG(file.status.st_mode)) {
            return report(file, "is no regular file");
        }
        const FileDescriptor opened(open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY));
        if (!opened.valid() && errno == ENOENT) {
            return;  // removed since it was listed
        }
        ++blobs_;
        if (!opened.valid()) {
            return report(file, SystemError("cannot be opened", errno).what());
        }
        Hasher hasher(file.digest.algorithm());
        std::vector<std::byte> buffer(kStreamStep);
        std::uint64_t size = 0;
        while (true) {
            run.check();
            const ssize_t count = ::read(opened.get(), buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                return report(file, SystemError("cannot be read", errno).what());
            }
            if (count == 0) {
                break;
            }
            hasher.update(Bytes(buffer).first(static_cast<std::size_t>(count)));
            size += static_cast<std::uint64_t>(count);
            run.progress->advance(kTask, bytes_ += static_cast<std::uint64_t>(count));
        }
        if (const Digest actual = hasher.finish(); actual != file.digest) {
            report(file, why_wrong(file, actual, size));
        }
    }

    [[nodiscard]] std::string why_wrong(const StoredFile& file, const Digest& actual, std::uint64_t size) const {
        const auto known = references_.positions.find(file.digest);
        if (known != references_.positions.end() && references_.blobs[known->second].size != size) {
            return std::to_string(size) + " bytes instead of " + std::to_string(references_.blobs[known->second].size);
        }
        return "is " + actual.text();
    }

    void report(const StoredFile& file, std::string why) {
        const std::scoped_lock lock(mutex_);
        findings_.push_back({&file, std::move(why)});
    }

    const StoreReferences& references_;
    std::vector<StoredFile> files_;
    const Run& run_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint64_t> blobs_{0};
    std::atomic<std::uint64_t> bytes_{0};
    std::mutex mutex_;
    std::vector<Finding> findings_;
};

/// Names of the images that need a blob.
std::vector<std::string> images_with(const StoreReferences& references, const Digest& digest) {
    std::vector<std::string> names;
    const auto position = references.positions.find(digest);
    for (const NamedImage& image : references.images) {
        if (position != references.positions.end() &&
            std::find(image.needs.begin(), image.needs.end(), position->second) != image.needs.end()) {
            names.push_back(image.name);
        }
    }
    return names;
}

std::vector<Store::Damaged> missing_of(const StoreDirectory& directory, const StoreReferences& references) {
    std::vector<bool> wanted(references.blobs.size(), false);
    for (const NamedImage& image : references.images) {
        for (const std::size_t position : image.needs) {
            wanted[position] = wanted[position] || image.whole;
        }
    }
    std::vector<Store::Damaged> missing;
    for (std::size_t position = 0; position < wanted.size(); ++position) {
        FileStatus status{};
        const Digest& digest = references.blobs[position].digest;
        const fs::path path = directory.blob_file(digest);
        if (wanted[position] && lstat(path.c_str(), &status) != 0) {
            missing.push_back({path, "is missing", images_with(references, digest)});
        }
    }
    return missing;
}

/// Images that lack something are from now on known to lack it.
void forget_whole(const StoreDirectory& directory, const Store::Verified& verified, const Run& run) {
    const std::string key(kWholeAnnotation);
    std::vector<std::string> names;
    for (const auto* list : {&verified.damaged, &verified.missing}) {
        for (const Store::Damaged& each : *list) {
            names.insert(names.end(), each.images.begin(), each.images.end());
        }
    }
    std::sort(names.begin(), names.end());
    if (names.empty()) {
        return;
    }
    change_names(
        directory,
        [&](json::Value& document) {
            bool changed = false;
            for (json::Value& entry : document["manifests"]) {
                const std::string name = name_of_entry(read_descriptor(entry, "index.json"));
                if (entry.contains("annotations") && std::binary_search(names.begin(), names.end(), name)) {
                    changed = entry["annotations"].erase(key) > 0 || changed;
                }
            }
            return changed;
        },
        run);
}

}  // namespace

Store::Verified Store::verify(bool remove_damaged, const Run& run) const {
    return in_context(path().string(), [&] {
        const StoreReferences before = read_references(*state_, run);
        Verified verified;
        Verifier verifier(before, list_blobs(*state_), run);
        const auto findings = verifier.check_all(verified);
        const StoreReferences references = read_references(*state_, run);  // gc may have been here
        verified.missing = missing_of(*state_, references);
        for (const auto& [file, why] : findings) {
            verified.damaged.push_back({file->path, why, images_with(references, file->digest)});
            if (remove_damaged) {
                state_->remove(file->path,
                               [&, file = file](const FileStatus& now) { return is_same_file(now, file->status); });
            }
        }
        if (remove_damaged) {
            forget_whole(*state_, verified, run);
        }
        return verified;
    });
}

}  // namespace cooper::oci
