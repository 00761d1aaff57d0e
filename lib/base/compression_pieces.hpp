// Compression in pieces of a fixed size on any number of threads, put together in order (private): how both of our
// writers come to bytes that depend on the input, the library and the level alone.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace cooper {

/// A compressed piece; the bytes are the compressor's room's.
struct CompressedPiece {
    Bytes bytes;
    std::uint32_t checksum = 0;  ///< of the plain bytes, where the format has one over all pieces
};

/// Compresses pieces one by one, each as if it were the first. One per thread: it owns the work memory.
class PieceCompressor {
public:
    virtual ~PieceCompressor() = default;
    /// `room` has PieceFormat::room_for(input.size()) bytes.
    virtual CompressedPiece compress(Bytes input, MutableBytes room) = 0;
};

struct PieceFormat {
    std::size_t piece_size;
    std::size_t (*room_for)(std::size_t size);  ///< by the input's size alone: it could decide bytes
    std::function<std::unique_ptr<PieceCompressor>()> make_compressor;
};

/// Cuts what is written into pieces and hands them on, compressed, in order: one at a time, in whichever thread, so
/// that hashing and writing what comes out keep nobody from compressing or from making more. One thread at a time; its
/// own threads end with it.
class PiecePipeline {
public:
    /// `plain_size`: of what was compressed to `piece`.
    using Emit = std::function<void(const CompressedPiece& piece, std::size_t plain_size)>;

    /// `threads` 0: as many as there are cores, at most 8.
    PiecePipeline(PieceFormat format, unsigned threads, Emit emit);
    ~PiecePipeline();
    PiecePipeline(const PiecePipeline&) = delete;
    PiecePipeline& operator=(const PiecePipeline&) = delete;

    void write(Bytes chunk);
    /// The last piece, which may be shorter; nothing when nothing was written.
    void flush();

private:
    struct Piece;
    class Pool;

    [[nodiscard]] bool compresses_here() const;
    void submit();

    PieceFormat format_;
    unsigned threads_;
    Emit emit_;
    std::unique_ptr<Piece> current_;
    std::unique_ptr<PieceCompressor> compressor_;
    std::unique_ptr<Pool> pool_;  // last: its threads stop before what they use goes
};

/// The digest of a built-in text of 256 KiB after `make_sink`'s compression: what tells one compressor from another.
std::string compressed_corpus_digest(const std::function<std::unique_ptr<Sink>(Sink& to)>& make_sink);

}  // namespace cooper
