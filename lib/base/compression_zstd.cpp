// zstd decoding (RFC 8878): any number of frames, skippable ones included.
#include "cooper/base/error.hpp"

#include "base/compression_codec.hpp"

#include <zstd.h>
#include <zstd_errors.h>

#include <string>

namespace cooper {

namespace {

/// 128 MiB: what `zstd --long` makes and every registry client reads; a frame that asks for more is refused before the
/// memory is taken.
constexpr int kMaxWindowLog = 27;

class ZstdDecoder final : public Decoder {
public:
    ZstdDecoder() : context_(ZSTD_createDCtx()) {
        if (context_ == nullptr ||
            ZSTD_isError(ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kMaxWindowLog)) != 0) {
            throw Error(ErrorCode::System, "cannot set up the zstd decoder: out of memory");
        }
    }

    std::size_t decode(Bytes& in, MutableBytes out) override {
        // Without input there is something to come only if the last output was full; asked in vain, zstd counts it an
        // error.
        while (!in.empty() || (output_was_full_ && !at_frame_end_)) {
            ZSTD_inBuffer input{in.data(), in.size(), 0};
            ZSTD_outBuffer output{out.data(), out.size(), 0};
            const auto left = ZSTD_decompressStream(context_.get(), &output, &input);
            if (ZSTD_isError(left) != 0) {
                fail(left);
            }
            started_ = true;
            at_frame_end_ = left == 0;
            output_was_full_ = output.pos == output.size;
            in = in.subspan(input.pos);
            if (output.pos > 0) {
                return output.pos;
            }
        }
        return 0;
    }

    void end() override {
        if (!started_ || !at_frame_end_) {
            throw Error(ErrorCode::Integrity, "zstd data ends in the middle of a frame: it was cut");
        }
    }

private:
    [[noreturn]] static void fail(std::size_t result) {
        if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
            throw Error(ErrorCode::InvalidInput,
                        "zstd frame needs a window beyond the limit of 2^" + std::to_string(kMaxWindowLog) + " bytes");
        }
        throw Error(ErrorCode::Integrity, std::string("zstd data is damaged: ") + ZSTD_getErrorName(result));
    }

    struct Free {
        void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
    };
    std::unique_ptr<ZSTD_DCtx, Free> context_;
    bool started_ = false;
    bool at_frame_end_ = false;
    bool output_was_full_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_zstd_decoder() {
    return std::make_unique<ZstdDecoder>();
}

}  // namespace cooper
