// Our gzip: independent pieces of 1 MiB compressed by any number of threads into one member (RFC 1952).
//
// Every piece begins with an empty window and ends on a byte boundary (a full flush, or stored blocks), so pieces are
// compressed apart and put together in order; the member ends with an empty final block. So its bytes depend on the
// input, the library and the level alone.
#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"

#include "base/compression_codec.hpp"

#include <isa-l.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cooper {

namespace {

using Level = GzipOptions::Level;

constexpr std::size_t kPieceSize = 1 << 20;
constexpr std::size_t kMaxStoredBlock = 65535;  // RFC 1951 section 3.2.4: a 16-bit length
constexpr std::size_t kStoredBlockHeader = 5;
constexpr unsigned kMaxThreads = 64;
constexpr unsigned kDefaultMaxThreads = 8;

/// What a piece takes as stored blocks, without compression.
constexpr std::size_t stored_size(std::size_t size) {
    return size + kStoredBlockHeader * ((size + kMaxStoredBlock - 1) / kMaxStoredBlock);
}

/// The room that a piece is compressed into: its stored form, and slack for the compressors' last bytes.
constexpr std::size_t room_for(std::size_t size) {
    return stored_size(size) + 4096;
}

struct Piece {
    Piece() { input.reserve(kPieceSize); }
    std::vector<std::byte> input;
    // Not a vector: that would write zeros over its megabyte for every piece.
    std::unique_ptr<std::byte[]> room = std::make_unique_for_overwrite<std::byte[]>(room_for(kPieceSize));
    Bytes output;  ///< within room
    std::uint32_t crc = 0;
    bool done = false;
    std::exception_ptr failure;
};

/// Compresses pieces one by one. One per thread: it owns the work memory.
class PieceCompressor {
public:
    virtual ~PieceCompressor() = default;
    void compress(Piece& piece) {
        const Bytes input(piece.input);
        const MutableBytes room(piece.room.get(), room_for(input.size()));  // by the input alone: it could decide bytes
        const auto size = deflate_piece(input, room);
        const bool shrank = size > 0 && size < stored_size(input.size());
        piece.output = room.first(shrank ? size : store(input, room));
        piece.crc = crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(input.data()), input.size());
    }

protected:
    /// Raw deflate ended by a full flush; 0 when it does not fit.
    virtual std::size_t deflate_piece(Bytes input, MutableBytes output) = 0;

private:
    static std::size_t store(Bytes input, MutableBytes output) {
        std::size_t position = 0;
        while (!input.empty()) {
            const auto block = input.first(std::min(input.size(), kMaxStoredBlock));
            const unsigned length = static_cast<unsigned>(block.size());
            for (const unsigned value : {0U, length & 0xffU, length >> 8U, ~length & 0xffU, (~length >> 8U) & 0xffU}) {
                output[position++] = static_cast<std::byte>(value);
            }
            std::memcpy(&output[position], block.data(), block.size());
            position += block.size();
            input = input.subspan(block.size());
        }
        return position;
    }
};

/// ISA-L level 1. Levels 0 to 2 give the same bytes on every CPU; level 3 does not (other bytes without AVX-512).
class FastCompressor final : public PieceCompressor {
public:
    FastCompressor() : level_buffer_(ISAL_DEF_LVL1_DEFAULT) {}

protected:
    std::size_t deflate_piece(Bytes input, MutableBytes output) override {
        isal_deflate_init(&stream_);
        stream_.level = 1;
        stream_.level_buf = level_buffer_.data();
        stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());  // the size decides bytes as well
        stream_.flush = FULL_FLUSH;
        // ISA-L reads the input only; its interface is older than const.
        stream_.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(input.data()));
        stream_.avail_in = static_cast<std::uint32_t>(input.size());
        stream_.next_out = reinterpret_cast<std::uint8_t*>(output.data());
        stream_.avail_out = static_cast<std::uint32_t>(output.size());
        if (const int result = isal_deflate(&stream_); result != COMP_OK) {
            throw Error(ErrorCode::System, "gzip compression failed (ISA-L result " + std::to_string(result) + ")");
        }
        return stream_.avail_in == 0 && stream_.avail_out > 0 ? stream_.total_out : 0;
    }

private:
    std::vector<std::uint8_t> level_buffer_;
    isal_zstream stream_{};
};

/// zlib level 6.
class SmallCompressor final : public PieceCompressor {
public:
    SmallCompressor() {
        constexpr int kRawDeflate = -15, kDefaultMemory = 8;
        if (deflateInit2(&stream_, 6, Z_DEFLATED, kRawDeflate, kDefaultMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
            throw Error(ErrorCode::System, "cannot set up zlib: out of memory");
        }
    }
    SmallCompressor(const SmallCompressor&) = delete;
    SmallCompressor& operator=(const SmallCompressor&) = delete;
    ~SmallCompressor() override { deflateEnd(&stream_); }

protected:
    std::size_t deflate_piece(Bytes input, MutableBytes output) override {
        deflateReset(&stream_);
        stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
        stream_.avail_in = static_cast<uInt>(input.size());
        stream_.next_out = reinterpret_cast<Bytef*>(output.data());
        stream_.avail_out = static_cast<uInt>(output.size());
        if (deflate(&stream_, Z_FULL_FLUSH) == Z_STREAM_ERROR) {
            throw Error(ErrorCode::System, "gzip compression failed in zlib");
        }
        return stream_.avail_in == 0 && stream_.avail_out > 0 ? stream_.total_out : 0;
    }

private:
    z_stream stream_{};
};

std::unique_ptr<PieceCompressor> make_compressor(Level level) {
    if (level == Level::Fast) {
        return std::make_unique<FastCompressor>();
    }
    return std::make_unique<SmallCompressor>();
}

/// Threads that compress pieces; whoever submits a piece waits for it with wait(). The pieces must outlive the pool.
class PiecePool {
public:
    PiecePool(unsigned threads, Level level) {
        threads_.reserve(threads);
        for (unsigned i = 0; i < threads; ++i) {
            threads_.emplace_back([this, level](const std::stop_token& stop) { work(stop, level); });
        }
    }

    void submit(Piece& piece) {
        const std::scoped_lock lock(mutex_);
        waiting_.push_back(&piece);
        work_there_.notify_one();
    }
    void wait(const Piece& piece) {
        std::unique_lock lock(mutex_);
        piece_done_.wait(lock, [&] { return piece.done; });
        if (piece.failure) {
            std::rethrow_exception(piece.failure);
        }
    }
    [[nodiscard]] bool is_done(const Piece& piece) {
        const std::scoped_lock lock(mutex_);
        return piece.done;
    }

private:
    void work(const std::stop_token& stop, Level level) {
        std::unique_ptr<PieceCompressor> compressor;
        for (;;) {
            Piece* piece = nullptr;
            {
                std::unique_lock lock(mutex_);
                if (!work_there_.wait(lock, stop, [&] { return !waiting_.empty(); }) || stop.stop_requested()) {
                    return;
                }
                piece = waiting_.front();
                waiting_.pop_front();
            }
            std::exception_ptr failure;
            try {
                if (!compressor) {
                    compressor = make_compressor(level);
                }
                compressor->compress(*piece);
            } catch (...) {
                failure = std::current_exception();
            }
            const std::scoped_lock lock(mutex_);
            piece->failure = failure;
            piece->done = true;
            piece_done_.notify_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable_any work_there_;
    std::condition_variable piece_done_;
    std::deque<Piece*> waiting_;
    std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

class GzipSink final : public Sink {
public:
    GzipSink(Sink& to, const GzipOptions& options) : to_(to), level_(options.level), threads_(options.threads) {
        if (threads_ == 0) {
            threads_ = std::clamp(std::thread::hardware_concurrency(), 1U, kDefaultMaxThreads);
        }
        threads_ = std::min(threads_, kMaxThreads);
    }

    void write(Bytes chunk) override {
        while (!chunk.empty()) {
            if (!current_) {
                current_ = fresh_piece();
            }
            auto& input = current_->input;
            const auto count = std::min(chunk.size(), kPieceSize - input.size());
            input.insert(input.end(), chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(count));
            chunk = chunk.subspan(count);
            if (input.size() == kPieceSize) {
                submit();
            }
        }
    }

    void finish() override {
        if (current_) {
            submit();
        }
        while (!in_flight_.empty()) {
            write_oldest();
        }
        write_head();
        write_end();
        to_.finish();
    }

private:
    std::unique_ptr<Piece> fresh_piece() {
        if (spare_.empty()) {
            return std::make_unique<Piece>();
        }
        auto piece = std::move(spare_.back());
        spare_.pop_back();
        piece->input.clear();
        piece->done = false;
        return piece;
    }

    /// One thread, or a whole input of one piece: no threads are started.
    [[nodiscard]] bool compresses_here() const {
        return threads_ == 1 || (!pool_ && current_->input.size() < kPieceSize);
    }

    void submit() {
        if (compresses_here()) {
            if (!compressor_) {
                compressor_ = make_compressor(level_);
            }
            compressor_->compress(*current_);
            emit(std::move(current_));
            return;
        }
        if (!pool_) {
            pool_ = std::make_unique<PiecePool>(threads_, level_);
        }
        in_flight_.push_back(std::move(current_));
        pool_->submit(*in_flight_.back());
        while (in_flight_.size() >= std::size_t{threads_} * 2 ||
               (!in_flight_.empty() && pool_->is_done(*in_flight_.front()))) {
            write_oldest();
        }
    }

    void write_oldest() {
        pool_->wait(*in_flight_.front());
        auto piece = std::move(in_flight_.front());
        in_flight_.pop_front();
        emit(std::move(piece));
    }

    void emit(std::unique_ptr<Piece> piece) {
        write_head();
        to_.write(piece->output);
        const auto size = piece->input.size();
        crc_ = static_cast<std::uint32_t>(crc32_combine(crc_, piece->crc, static_cast<z_off_t>(size)));
        size_ += size;
        spare_.push_back(std::move(piece));
    }

    void write_head() {
        if (std::exchange(head_written_, true)) {
            return;
        }
        // RFC 1952 section 2.3.1: XFL 4 means the fastest algorithm; OS 255, unknown, is what Go writes as well.
        const unsigned char xfl = level_ == Level::Fast ? 4 : 0;
        const std::array<unsigned char, 10> head{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 255};
        to_.write(std::as_bytes(std::span(head)));
    }

    void write_end() {
        std::array<unsigned char, 10> end{3, 0};  // an empty final block: BFINAL, fixed codes, end of block
        for (unsigned i = 0; i < 4; ++i) {
            end[2 + i] = static_cast<unsigned char>(crc_ >> (8 * i));
            end[6 + i] = static_cast<unsigned char>(size_ >> (8 * i));
        }
        to_.write(std::as_bytes(std::span(end)));
    }

    Sink& to_;
    Level level_;
    unsigned threads_;
    std::unique_ptr<Piece> current_;
    std::deque<std::unique_ptr<Piece>> in_flight_;  // oldest first
    std::vector<std::unique_ptr<Piece>> spare_;
    std::unique_ptr<PieceCompressor> compressor_;
    std::uint32_t crc_ = 0;
    std::uint64_t size_ = 0;
    bool head_written_ = false;
    std::unique_ptr<PiecePool> pool_;  // last: its threads stop before the pieces go
};

/// 256 KiB that has what real layers have: repeats near and far, text-like and random stretches.
std::string fingerprint_corpus() {
    constexpr std::size_t kSize = 256 * 1024;
    std::string corpus;
    corpus.reserve(kSize + 64);
    std::uint32_t state = 1;
    const auto next = [&state] { return state = state * 1664525U + 1013904223U, state >> 16U; };
    while (corpus.size() < kSize) {
        const auto kind = next() % 8;
        const auto length = 4 + next() % 60;
        if (kind < 3 && corpus.size() > 1000) {
            const auto distance = 1 + next() % std::min<std::size_t>(corpus.size(), 32768);
            for (unsigned i = 0; i < length; ++i) {
                corpus.push_back(corpus[corpus.size() - distance]);
            }
        } else {
            for (unsigned i = 0; i < length; ++i) {
                corpus.push_back(static_cast<char>(kind < 7 ? 'a' + next() % 26 : next() % 256));
            }
        }
    }
    corpus.resize(kSize);
    return corpus;
}

}  // namespace

std::unique_ptr<Sink> gzip_compressing(Sink& to, const GzipOptions& options) {
    return std::make_unique<GzipSink>(to, options);
}

std::string gzip_fingerprint(const GzipOptions& options) {
    StringSink compressed(2 * kPieceSize);
    const auto sink = gzip_compressing(compressed, {options.level, 1});
    sink->write(as_bytes(fingerprint_corpus()));
    sink->finish();
    std::string name;
    if (options.level == Level::Fast) {
        name = "isal-" + std::to_string(ISAL_MAJOR_VERSION) + "." + std::to_string(ISAL_MINOR_VERSION) + "." +
               std::to_string(ISAL_PATCH_VERSION) + "/level1";
    } else {
        name = std::string("zlib-") + zlibVersion() + "/level6";
    }
    return name + "/1MiB/" + sha256(compressed.text()).text();
}

}  // namespace cooper
