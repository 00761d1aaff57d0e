// gzip and zstd: detection, decompression (streaming, bounded), and writers whose bytes never depend on threads.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace cooper {

enum class Compression : std::uint8_t { None, Gzip, Zstd, Xz, Bzip2 };

std::string_view to_string(Compression compression) noexcept;

/// By magic (needs at most 6 bytes): 1f8b gzip, 28b52ffd or a skippable frame 5?2a4d18 zstd, fd377a585a00 xz, "BZh"
/// bzip2.
Compression detect_compression(Bytes beginning) noexcept;

/// What a hostile stream may cost. A limit that is hit is Error{InvalidInput} naming the limit and its value.
struct DecompressionLimits {
    std::uint64_t max_output = 32ULL << 30;  ///< bytes of output
    std::uint64_t max_ratio = 1000;          ///< output : input, checked once output is beyond ratio_from
    std::uint64_t ratio_from = 64ULL << 20;
};

/// Inflates while it is read. Gzip: all members, trailing zeros allowed, other trailing bytes are Error{Integrity}.
/// Zstd: all frames, skippable ones included, window at most 2^27. None passes through. Xz and Bzip2 are
/// Error{Unsupported}. Damaged or cut input is Error{Integrity}. Borrows nothing: owns `inner`.
std::unique_ptr<Source> decompressed(std::unique_ptr<Source> inner, Compression compression,
                                     const DecompressionLimits& limits = {});

/// The same for a compression told by the first bytes (detect_compression), whatever a media type says. Reads them at
/// once.
std::unique_ptr<Source> decompressed_by_magic(std::unique_ptr<Source> inner, const DecompressionLimits& limits = {});

/// The same in push form: what is written comes out inflated at `to` (borrowed); finish() checks the end, and finishes
/// `to`.
std::unique_ptr<Sink> decompressing(Sink& to, Compression compression, const DecompressionLimits& limits = {});

/// How we write gzip. The bytes depend on these, the library's version and the input only; never on `threads`, the CPU
/// or how the input was cut.
struct GzipOptions {
    enum class Level {
        Fast,
        Small
    };  ///< Fast: ISA-L level 1 in independent 1 MiB pieces. Small: zlib level 6, the same pieces
    Level level = Level::Fast;
    unsigned threads = 0;  ///< 0: as many as there are cores, at most 8
};

/// One gzip member: no name, mtime 0, OS 255, pieces ended by a full flush. finish() finishes `to` (borrowed) as well.
std::unique_ptr<Sink> gzip_compressing(Sink& to, const GzipOptions& options = {});

/// Names compressor, version and parameters, and the SHA-256 of a built-in corpus compressed with them: equal text
/// means equal bytes for equal input ("isal-2.30.0/level1/1MiB/sha256:…").
std::string gzip_fingerprint(const GzipOptions& options = {});

/// How we write zstd: content sizes stored, checksums off. The bytes depend on level, the library's version
/// and the input only: the input is cut into pieces of a fixed size, each a frame of its own, whatever the threads.
struct ZstdOptions {
    int level = 3;         ///< 1 to 19
    unsigned threads = 0;  ///< 0: as many as there are cores, at most 8
};

/// finish() finishes `to` (borrowed) as well.
std::unique_ptr<Sink> zstd_compressing(Sink& to, const ZstdOptions& options = {});

/// As gzip_fingerprint ("zstd-1.5.4/level3/4MiB/sha256:…").
std::string zstd_fingerprint(const ZstdOptions& options = {});

}  // namespace cooper
