// SHA256SUMS of a folder says what customers were given; release.json is asked as well, so that one of them that was
// tampered with is told.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/keys.hpp"

#include "base/workers.hpp"
#include "delivery/builds/find_build.hpp"
#include "delivery/changelog/changelog_text.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

namespace cooper::delivery {
namespace {

constexpr std::size_t kReaders = 8;  // at once

/// A folder that has checksums.
struct Folder {
    std::string branch;
    std::string name;  ///< "abc1234"
    std::string path;  ///< "main/abc1234"
};

/// The folder of BRANCH/SHORT_SHA/SHA256SUMS; nullopt for any other key.
std::optional<Folder> folder_of(std::string_view key) {
    const std::string ending = "/" + std::string(kChecksumsFile);
    if (!key.ends_with(ending)) {
        return std::nullopt;
    }
    key.remove_suffix(ending.size());
    const std::size_t slash = key.rfind('/');
    if (slash == std::string_view::npos || !is_heading_sha(key.substr(slash + 1))) {
        return std::nullopt;
    }
    try {
        return Folder{branch_of_key(key.substr(0, slash)), std::string(key.substr(slash + 1)), std::string(key)};
    } catch (const Error&) {
        return std::nullopt;  // no branch's folder
    }
}

class Search {
public:
    Search(Place& place, std::string_view branch, const Digest& wanted, const Run& run)
        : place_(place), branch_(branch), wanted_(wanted), run_(run) {}

    std::vector<Delivered> find() {
        const std::string prefix = branch_.empty() ? std::string() : branch_key(branch_) + "/";
        for (const std::string& key : place_.list(prefix, run_)) {
            auto folder = folder_of(key);
            if (folder && (branch_.empty() || folder->branch == branch_)) {
                folders_.push_back(std::move(*folder));
            }
        }
        files_.resize(folders_.size());
        read_all_folders();
        std::vector<Delivered> found;
        for (std::size_t i = 0; i < folders_.size(); ++i) {
            if (!files_[i].empty()) {
                add(folders_[i], files_[i], found);
            }
        }
        std::stable_sort(found.begin(), found.end(), [](const Delivered& a, const Delivered& b) {
            return a.build.time.value_or(TimePoint()) > b.build.time.value_or(TimePoint());
        });
        return found;
    }

private:
    void read_all_folders() {
        std::atomic<std::size_t> next{0};
        Workers workers(run_);
        for (std::size_t i = 0; i < std::min(kReaders, folders_.size()); ++i) {
            workers.start([&] {
                const Run run = workers.run();
                for (std::size_t at = next++; at < folders_.size(); at = next++) {
                    run.check();
                    files_[at] = files_in(folders_[at], run);
                }
            });
        }
        workers.join();
    }

    /// Names of files of this digest. One folder that cannot be read does not hide the others.
    std::vector<std::string> files_in(const Folder& folder, const Run& run) {
        const std::string key = folder.path + "/" + std::string(kChecksumsFile);
        std::vector<std::string> files;
        try {
            if (const auto text = place_.find_text(key, run)) {
                const Checksums checksums = Checksums::parse(text->text, place_.name() + "/" + key);
                for (const auto& [name, digest] : checksums.entries()) {
                    if (digest == wanted_) {
                        files.push_back(name);
                    }
                }
            }
        } catch (const Error& error) {
            if (error.code() != ErrorCode::InvalidInput) {
                throw;
            }
            run.progress->notice(NoticeLevel::Warning, std::string("not looked into: ") + error.what());
        }
        return files;
    }

    void add(const Folder& folder, const std::vector<std::string>& files, std::vector<Delivered>& found) {
        auto branch = branches_.find(folder.branch);
        if (branch == branches_.end()) {
            branch = branches_.try_emplace(folder.branch, place_, folder.branch, run_).first;
        }
        const FoundBuild build = branch->second.build_in(folder.name, BadRecord::Ignore);
        for (const std::string& file : files) {
            Delivered delivered{build, folder.path + "/" + file, file};
            for (const std::string& tarball : build.tarballs) {
                if (safe_file_name(tarball) == file) {
                    delivered.key = tarball;
                }
            }
            check_record(delivered);
            found.push_back(std::move(delivered));
        }
    }

    void check_record(const Delivered& delivered) const {
        if (!delivered.build.release) {
            return;
        }
        for (const ReleasedImage& image : delivered.build.release->images) {
            if (image.file == delivered.file && image.sha256 != wanted_.hex()) {
                run_.progress->notice(NoticeLevel::Warning, place_.name() + "/" + delivered.build.folder + ": " +
                                                                std::string(kChecksumsFile) + " and " +
                                                                std::string(kReleaseFile) + " do not agree on " +
                                                                delivered.file + ", so one of them was changed");
            }
        }
    }

    Place& place_;
    std::string branch_;
    Digest wanted_;
    const Run& run_;
    std::vector<Folder> folders_;
    std::vector<std::vector<std::string>> files_;  // of the wanted digest, by folder
    std::map<std::string, Branch, std::less<>> branches_;
};

}  // namespace

std::vector<Delivered> whose(Place& place, std::string_view branch, std::string_view sha256, const Run& run) {
    const auto digest = Digest::try_parse("sha256:" + to_lower(sha256));
    if (!digest) {
        throw Error(ErrorCode::InvalidInput, "not a SHA-256 in hex (64 digits)");
    }
    return Search(place, branch, *digest, run).find();
}

}  // namespace cooper::delivery
