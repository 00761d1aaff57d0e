// Digests of files from earlier runs, found again by what stat() says about the files (private).
//
// One binary file per machine, root, algorithm and way of treating links. All numbers are in the machine's own order:
// a header (magic, version, what the memory is of), then one record a file in the order of the paths' bytes, then the
// SHA-256 of all before it. What is not exactly as expected makes an empty memory, never an error.
#pragma once

#include "cooper/base/files.hpp"

#include "build/tree/file_hashes.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cooper::build {

/// The memory for one root. One thread at a time.
class StatCache {
public:
    /// Loads what is remembered for the open directory `root`, called `name`; options.cache_directory is not empty.
    StatCache(const FileDescriptor& root, const std::filesystem::path& name, const FileHashOptions& options);

    /// Puts the digests of files that are certainly unchanged at `now` (nanoseconds since 1970) into `hex`, which has
    /// an empty text for each. `order` has the indices of `files`, sorted by path.
    void recall(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order, std::int64_t now,
                std::vector<std::string>& hex) const;

    /// Remembers the files whose digests are certain. `began`: when each was about to be opened; 0 where it was
    /// recalled. Writes nothing when nothing new is certain, and does without when it cannot.
    void remember(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order,
                  const std::vector<std::string>& hex, const std::vector<std::int64_t>& began) const noexcept;

private:
    struct Header;
    struct Record;
    struct Entry;
    class Reader;

    void load();
    [[nodiscard]] Header make_header() const;
    [[nodiscard]] std::filesystem::path path() const;
    [[nodiscard]] bool is_certain(const FileStatus& status, std::int64_t began) const;
    [[nodiscard]] std::string compose(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order,
                                      const std::vector<std::string>& hex,
                                      const std::vector<std::int64_t>& began) const;

    std::filesystem::path directory_;
    std::size_t digest_size_;
    struct stat root_ {};
    bool remote_ = false;   // another machine's clock sets the times
    std::string identity_;  // hex digest of machine, root's path, algorithm and treatment of links
    std::string memory_;    // header and records, or nothing
};

}  // namespace cooper::build
