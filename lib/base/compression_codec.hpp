// The core of decompression, shared by the pulling and the pushing form.
#pragma once

#include "cooper/base/compression.hpp"

#include <memory>

namespace cooper {

/// Turns compressed bytes into plain ones, step by step. Owns its state, never the input. After a throw it is of no
/// use.
class Decoder {
public:
    virtual ~Decoder() = default;
    /// Fills `out` (not empty) from the front of `in`, which it shortens by what it took. Returns the bytes made; 0
    /// only when `in` is used up and more is needed. Throws Error{Integrity} on damage.
    virtual std::size_t decode(Bytes& in, MutableBytes out) = 0;
    /// The input has ended: throws Error{Integrity} when that is not an end of the stream.
    virtual void end() = 0;
};

std::unique_ptr<Decoder> make_gzip_decoder();
std::unique_ptr<Decoder> make_zstd_decoder();

}  // namespace cooper
