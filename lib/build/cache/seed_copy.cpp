#include "build/cache/seed_copy.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/tree_copy.hpp"
#include "build/snapshot/tree_root.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

namespace {

class SeedCopy {
public:
    SeedCopy(const std::filesystem::path& from, const std::filesystem::path& to, const DiskForm& form, const Run& run)
        : from_(from), to_(to), form_(form), run_(run) {}

    void copy_all() {
        std::vector<std::string> pending = {""};
        std::vector<std::string> entered;
        while (!pending.empty()) {
            run_.check();
            entered.push_back(std::move(pending.back()));
            pending.pop_back();
            for (const std::string& name : from_.names(entered.back())) {
                const std::string path = join_path(entered.back(), name);
                if (copy_entry(path)) {
                    pending.push_back(path);
                }
            }
        }
        // What is made in a directory changes its time: the deepest first.
        for (auto path = entered.rbegin(); path != entered.rend(); ++path) {
            describe_directory(from_, *path, to_, *path, form_);
        }
    }

private:
    /// True for a directory: what is in it is to be copied.
    bool copy_entry(const std::string& path) {
        const auto status = from_.status(path);
        if (!status || S_ISSOCK(status->st_mode)) {
            return false;
        }
        if ((S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode)) && !form_.devices) {
            return false;
        }
        if (!S_ISDIR(status->st_mode) && status->st_nlink > 1) {
            const auto [first, is_first] = linked_.try_emplace({status->st_dev, status->st_ino}, path);
            if (!is_first) {
                link(first->second, path);
                return false;
            }
        }
        copy_file(from_, to_, path, *status, form_, run_);
        return S_ISDIR(status->st_mode);
    }

    void link(const std::string& first, const std::string& path) {
        const int parent = to_.directory(std::string(parent_path(path)));
        if (linkat(to_.descriptor(), first.c_str(), parent, std::string(file_name(path)).c_str(), 0) != 0) {
            throw SystemError("cannot link " + TreeRoot::shown(path), errno);
        }
    }

    TreeRoot from_;
    TreeRoot to_;
    const DiskForm& form_;
    const Run& run_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

}  // namespace

void copy_seed(const std::filesystem::path& from, const std::filesystem::path& to, const DiskForm& form,
               const Run& run) {
    if (mkdir(to.c_str(), 0700) != 0) {
        throw SystemError("cannot make the directory " + to.string(), errno);
    }
    in_context("copying the seed of a cache mount", [&] { SeedCopy(from, to, form, run).copy_all(); });
}

}  // namespace cooper::build
