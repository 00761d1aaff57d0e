// Tar entries and raw header blocks for the tests of the tar codec.
#pragma once

#include "cooper/base/tar.hpp"

#include <string>
#include <vector>

namespace cooper::testing {

struct TarCase {
    TarEntry entry;
    std::string content;
};

/// Thirty entries at the edges of what ustar and pax hold; all but the huge one can be written with their content.
std::vector<TarCase> thirty_cases();

/// An archive of `cases` by TarWriter.
std::string write_tar(const std::vector<TarCase>& cases);

/// A header block of our own making, with a right checksum, to be changed at will.
struct RawHeader {
    std::string name = "file";
    std::string mode = "0000644";
    std::string uid = "0000000";
    std::string gid = "0000000";
    std::string size = "00000000000";
    std::string mtime = "00000000000";
    char type = '0';
    std::string link;
    std::string magic = std::string("ustar\00000", 8);
    std::string device_major = "0000000";
    std::string device_minor = "0000000";
    std::string prefix;
    std::string trailer;  ///< the 12 bytes after the prefix

    [[nodiscard]] std::string block() const;
};

/// "00000000144" for 100.
std::string octal_size(std::uint64_t size);
/// `text` and zeros up to the next block.
std::string padded(std::string text);
/// A header of `type` followed by `data`, as 'x', 'g', 'L' and 'K' headers are.
std::string extension(char type, const std::string& data);
/// One pax record with its length.
std::string pax_record(const std::string& key, const std::string& value);
/// The end of an archive.
std::string end_blocks();

}  // namespace cooper::testing
