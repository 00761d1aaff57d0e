#include "build/copy/old_compression.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

namespace cooper::build {

namespace {

// --- what the libraries' headers say, which need not be installed: both interfaces are frozen -----------------------

/// lzma_stream of liblzma 5.
struct LzmaStream {
    const std::byte* next_in;
    std::size_t avail_in;
    std::uint64_t total_in;
    std::byte* next_out;
    std::size_t avail_out;
    std::uint64_t total_out;
    const void* allocator;
    void* internal;
    void* reserved_pointers[4];
    std::uint64_t reserved_numbers[2];
    std::size_t reserved_sizes[2];
    int reserved_enums[2];
};
constexpr std::uint32_t kLzmaConcatenated = 0x08;
constexpr int kLzmaRun = 0;
constexpr int kLzmaFinish = 3;
constexpr int kLzmaOk = 0;
constexpr int kLzmaStreamEnd = 1;
constexpr int kLzmaMemoryLimit = 6;
constexpr int kLzmaNoProgress = 10;
constexpr std::uint64_t kLzmaMemory = 256ULL << 20;  // "xz -9" takes 65 MiB

/// bz_stream of libbz2 1.0.
struct Bzip2Stream {
    const std::byte* next_in;
    unsigned avail_in;
    unsigned total_in[2];
    std::byte* next_out;
    unsigned avail_out;
    unsigned total_out[2];
    void* state;
    void* allocate;
    void* release;
    void* opaque;
};
constexpr int kBzip2Ok = 0;
constexpr int kBzip2StreamEnd = 4;

// ---------------------------------------------------------------------------------------------------------------------

class Library {
public:
    explicit Library(const char* name) : name_(name), handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) {
            fail();
        }
    }
    template <class Function>
    void bind(const char* symbol, Function& function) const {
        void* const found = dlsym(handle_, symbol);
        if (found == nullptr) {
            fail();
        }
        function = reinterpret_cast<Function>(found);
    }

private:
    [[noreturn]] void fail() const {
        Error error(ErrorCode::Unsupported,
                    std::string("an archive needs the library ") + name_ + ", which is not here");
        error.advise("install it (Debian, Ubuntu: liblzma5, libbz2-1.0), or compress the archive with gzip or zstd");
        throw Error(error);
    }

    const char* name_;
    void* handle_;  // never closed
};

[[noreturn]] void fail_damaged(Compression compression, const char* how) {
    throw Error(ErrorCode::Integrity, std::string(to_string(compression)) + " data is " + how);
}

/// One library's way of decoding.
class LibraryDecoder {
public:
    virtual ~LibraryDecoder() = default;
    /// As many bytes of `out` as could be made; takes from `in`. `last`: nothing follows `in`. 0: it needs more, or it
    /// has ended.
    virtual std::size_t decode(Bytes& in, MutableBytes out, bool last) = 0;
    [[nodiscard]] virtual bool ended() const = 0;
};

class XzDecoder final : public LibraryDecoder {
public:
    XzDecoder() {
        const Library library("liblzma.so.5");
        int (*begin)(LzmaStream*, std::uint64_t, std::uint32_t) = nullptr;
        library.bind("lzma_stream_decoder", begin);
        library.bind("lzma_code", code_);
        library.bind("lzma_end", end_);
        if (begin(&stream_, kLzmaMemory, kLzmaConcatenated) != kLzmaOk) {
            throw Error(ErrorCode::System, "liblzma cannot be used");
        }
    }
    XzDecoder(const XzDecoder&) = delete;
    XzDecoder& operator=(const XzDecoder&) = delete;
    ~XzDecoder() override { end_(&stream_); }

    std::size_t decode(Bytes& in, MutableBytes out, bool last) override {
        stream_.next_in = in.data();
        stream_.avail_in = in.size();
        stream_.next_out = out.data();
        stream_.avail_out = out.size();
        const int result = code_(&stream_, last ? kLzmaFinish : kLzmaRun);
        in = in.last(stream_.avail_in);
        if (result == kLzmaMemoryLimit) {
            throw Error(ErrorCode::InvalidInput,
                        "the xz archive needs more than " + format_bytes(kLzmaMemory) + " of memory");
        }
        ended_ = result == kLzmaStreamEnd;
        if (result != kLzmaOk && result != kLzmaStreamEnd && result != kLzmaNoProgress) {
            fail_damaged(Compression::Xz, "damaged");
        }
        return out.size() - stream_.avail_out;
    }
    [[nodiscard]] bool ended() const override { return ended_; }

private:
    LzmaStream stream_{};
    int (*code_)(LzmaStream*, int) = nullptr;
    void (*end_)(LzmaStream*) = nullptr;
    bool ended_ = false;
};

class Bzip2Decoder final : public LibraryDecoder {
public:
    Bzip2Decoder() {
        const Library library("libbz2.so.1.0");
        library.bind("BZ2_bzDecompressInit", begin_);
        library.bind("BZ2_bzDecompress", code_);
        library.bind("BZ2_bzDecompressEnd", end_);
    }
    Bzip2Decoder(const Bzip2Decoder&) = delete;
    Bzip2Decoder& operator=(const Bzip2Decoder&) = delete;
    ~Bzip2Decoder() override { close(); }

    std::size_t decode(Bytes& in, MutableBytes out, bool /*last*/) override {
        while (!in.empty()) {
            open();
            const auto taken = static_cast<unsigned>(std::min<std::size_t>(in.size(), UINT_MAX));
            stream_.next_in = in.data();
            stream_.avail_in = taken;
            stream_.next_out = out.data();
            stream_.avail_out = static_cast<unsigned>(std::min<std::size_t>(out.size(), UINT_MAX));
            const unsigned room = stream_.avail_out;
            const int result = code_(&stream_);
            in = in.subspan(taken - stream_.avail_in);
            if (result == kBzip2StreamEnd) {
                close();
            } else if (result != kBzip2Ok) {
                fail_damaged(Compression::Bzip2, "damaged");
            }
            if (const unsigned made = room - stream_.avail_out; made > 0) {
                return made;
            }
        }
        return flush(out);
    }
    [[nodiscard]] bool ended() const override { return !open_; }

private:
    /// What the library still holds of input that it took before.
    std::size_t flush(MutableBytes out) {
        if (!open_) {
            return 0;
        }
        stream_.avail_in = 0;
        stream_.next_out = out.data();
        stream_.avail_out = static_cast<unsigned>(std::min<std::size_t>(out.size(), UINT_MAX));
        const unsigned room = stream_.avail_out;
        const int result = code_(&stream_);
        if (result == kBzip2StreamEnd) {
            close();
        } else if (result != kBzip2Ok) {
            fail_damaged(Compression::Bzip2, "damaged");
        }
        return room - stream_.avail_out;
    }
    void open() {
        if (!open_) {
            stream_ = {};
            if (begin_(&stream_, 0, 0) != kBzip2Ok) {
                throw Error(ErrorCode::System, "libbz2 cannot be used");
            }
            open_ = true;
        }
    }
    void close() {
        if (std::exchange(open_, false)) {
            end_(&stream_);
        }
    }

    Bzip2Stream stream_{};
    int (*begin_)(Bzip2Stream*, int, int) = nullptr;
    int (*code_)(Bzip2Stream*) = nullptr;
    int (*end_)(Bzip2Stream*) = nullptr;
    bool open_ = false;
};

class LibrarySource final : public Source {
public:
    LibrarySource(std::unique_ptr<Source> inner, Compression compression, const DecompressionLimits& limits)
        : inner_(std::move(inner)), compression_(compression), limits_(limits), buffer_(kStreamStep) {
        if (compression == Compression::Xz) {
            decoder_ = std::make_unique<XzDecoder>();
        } else {
            decoder_ = std::make_unique<Bzip2Decoder>();
        }
    }

    std::size_t read(MutableBytes into) override {
        while (!into.empty()) {
            if (const auto made = decoder_->decode(input_, into, last_); made > 0) {
                output_ += made;
                check_limits();
                return made;
            }
            if (last_) {
                if (!decoder_->ended()) {
                    fail_damaged(compression_, "cut off");
                }
                return 0;
            }
            if (input_.empty()) {
                const auto count = inner_->read(buffer_);
                last_ = count == 0;
                taken_ += count;
                input_ = Bytes(buffer_).first(count);
            }
        }
        return 0;
    }

private:
    void check_limits() const {
        const bool bomb = output_ > limits_.ratio_from && output_ / limits_.max_ratio > taken_;
        if (output_ > limits_.max_output || bomb) {
            throw Error(ErrorCode::InvalidInput, std::to_string(taken_) + " compressed bytes became " +
                                                     std::to_string(output_) + ": more than is allowed");
        }
    }

    std::unique_ptr<Source> inner_;
    Compression compression_;
    DecompressionLimits limits_;
    std::vector<std::byte> buffer_;
    std::unique_ptr<LibraryDecoder> decoder_;
    Bytes input_;
    bool last_ = false;
    std::uint64_t taken_ = 0;
    std::uint64_t output_ = 0;
};

}  // namespace

std::unique_ptr<Source> decompressed_by_library(std::unique_ptr<Source> inner, Compression compression,
                                                const DecompressionLimits& limits) {
    return std::make_unique<LibrarySource>(std::move(inner), compression, limits);
}

}  // namespace cooper::build
