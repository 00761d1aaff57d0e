// What an image's layers hold, as lines (private): "cooper.files/v1".
//
//     cooper.files/v1
//     config 1234               then the config's own bytes and a line end
//     layer sha256:…            its diff ID; then a line per entry, in the tar's order
//     TYPE MODE UID GID MTIME SIZE DEVICE CONTENT ATTRIBUTES PATH LINK
//     end 17                    so many entries
//
// TYPE as tar has it, MODE octal, DEVICE "major,minor", CONTENT and ATTRIBUTES (xattrs) SHA-256 in hex; "-" for what an
// entry does not have. Names are bytes, so they are percent-encoded. Stored as zstd.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// Inflated: ten million entries. Deflated it is about a third, digests do not shrink.
inline constexpr std::uint64_t kMaxFileList = 2ULL << 30;
inline constexpr std::uint64_t kMaxFileListStored = 1ULL << 30;

/// One line, without its end.
std::string file_line(const TarEntry& entry, const std::optional<Digest>& content);

/// A line, read. `path` and `link` are decoded.
struct ListedFile {
    char type = '0';
    std::string mode;
    std::string owner;  ///< "uid:gid"
    std::string mtime;
    std::string size;
    std::string device;
    std::string content;
    std::string attributes;
    std::string path;
    std::string link;
    bool operator==(const ListedFile&) const = default;
};
/// Throws Error{InvalidInput}; `what` names the list.
ListedFile parse_file_line(std::string_view line, const std::string& what);
/// The path as it stands in the line, encoded.
std::string_view path_of_line(std::string_view line);

/// Calls `each` with the lines of layer `index`, in the tar's order. The blob's digest and the diff ID are checked.
void list_layer_files(const oci::Image& image, std::size_t index, const std::function<void(const std::string&)>& each,
                      const Run& run);

/// Writes the list of all layers to `path`, several layers at once, and returns the digest of the file.
Digest write_file_list(const std::filesystem::path& path, const oci::Image& image, const Run& run);

/// Reads a list line by line: nothing is kept but one line and the config. Throws Error{InvalidInput} for damage and
/// beyond any limit.
class FileListReader {
public:
    /// `lines` is inflated already.
    FileListReader(std::unique_ptr<Source> lines, std::string what);

    [[nodiscard]] const std::string& config() const noexcept { return config_; }
    /// The diff ID of the next layer, what is left of the one before is skipped; nullopt at the end.
    std::optional<Digest> next_layer();
    /// The next line of the layer; nullptr at its end. Valid until the next call.
    const std::string* next_file();

private:
    [[noreturn]] void refuse(const std::string& why) const;
    /// False at the end of the list.
    bool read_line();
    bool fill();

    std::unique_ptr<Source> lines_;
    std::string what_;
    std::unique_ptr<char[]> buffer_;
    std::size_t begin_ = 0, end_ = 0;
    std::string line_;
    std::string config_;
    bool in_layer_ = false;
    std::uint64_t entries_ = 0;
    std::size_t layers_ = 0;
};

}  // namespace cooper::delivery
