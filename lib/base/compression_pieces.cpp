#include "base/compression_pieces.hpp"

#include "cooper/base/digest.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

namespace cooper {

namespace {

constexpr unsigned kMaxThreads = 64;
constexpr unsigned kDefaultMaxThreads = 8;
constexpr std::size_t kQueued = 2;  // pieces that wait while every thread has one

unsigned choose_threads(unsigned wanted) {
    return wanted == 0 ? std::clamp(std::thread::hardware_concurrency(), 1U, kDefaultMaxThreads)
                       : std::min(wanted, kMaxThreads);
}

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

struct PiecePipeline::Piece {
    // Not vectors: those would write zeros over their megabytes.
    Piece(std::size_t input_size, std::size_t room_size)
        : plain(std::make_unique_for_overwrite<std::byte[]>(input_size)),
          room(std::make_unique_for_overwrite<std::byte[]>(room_size)) {}

    void compress(PieceCompressor& compressor, const PieceFormat& format) {
        compressed = compressor.compress({plain.get(), size}, {room.get(), format.room_for(size)});
    }

    std::unique_ptr<std::byte[]> plain;
    std::size_t size = 0;
    std::unique_ptr<std::byte[]> room;
    CompressedPiece compressed;
    bool done = false;
    std::exception_ptr failure;
};

/// Threads that compress pieces; whoever submits a piece waits for it with wait(). The pieces must outlive the pool.
class PiecePipeline::Pool {
public:
    Pool(unsigned threads, const PieceFormat& format) : format_(format) {
        threads_.reserve(threads);
        for (unsigned i = 0; i < threads; ++i) {
            threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
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
    void work(const std::stop_token& stop) {
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
                    compressor = format_.make_compressor();
                }
                piece->compress(*compressor, format_);
            } catch (...) {
                failure = std::current_exception();
            }
            const std::scoped_lock lock(mutex_);
            piece->failure = failure;
            piece->done = true;
            piece_done_.notify_one();
        }
    }

    const PieceFormat& format_;
    std::mutex mutex_;
    std::condition_variable_any work_there_;
    std::condition_variable piece_done_;
    std::deque<Piece*> waiting_;
    std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

PiecePipeline::PiecePipeline(PieceFormat format, unsigned threads, Emit emit)
    : format_(std::move(format)), threads_(choose_threads(threads)), emit_(std::move(emit)) {}

PiecePipeline::~PiecePipeline() = default;

void PiecePipeline::write(Bytes chunk) {
    while (!chunk.empty()) {
        if (!current_) {
            current_ = fresh_piece();
        }
        const auto count = std::min(chunk.size(), format_.piece_size - current_->size);
        std::memcpy(current_->plain.get() + current_->size, chunk.data(), count);
        current_->size += count;
        chunk = chunk.subspan(count);
        if (current_->size == format_.piece_size) {
            submit();
        }
    }
}

void PiecePipeline::flush() {
    if (current_) {
        submit();
    }
    while (!in_flight_.empty()) {
        emit_oldest();
    }
}

std::unique_ptr<PiecePipeline::Piece> PiecePipeline::fresh_piece() {
    if (spare_.empty()) {
        return std::make_unique<Piece>(format_.piece_size, format_.room_for(format_.piece_size));
    }
    auto piece = std::move(spare_.back());
    spare_.pop_back();
    piece->size = 0;
    piece->done = false;
    return piece;
}

/// One thread, or a whole input of one piece: no threads are started.
bool PiecePipeline::compresses_here() const {
    return threads_ == 1 || (!pool_ && current_->size < format_.piece_size);
}

void PiecePipeline::submit() {
    if (compresses_here()) {
        if (!compressor_) {
            compressor_ = format_.make_compressor();
        }
        current_->compress(*compressor_, format_);
        emit(std::move(current_));
        return;
    }
    if (!pool_) {
        pool_ = std::make_unique<Pool>(threads_, format_);
    }
    in_flight_.push_back(std::move(current_));
    pool_->submit(*in_flight_.back());
    while (in_flight_.size() >= threads_ + kQueued || (!in_flight_.empty() && pool_->is_done(*in_flight_.front()))) {
        emit_oldest();
    }
}

void PiecePipeline::emit_oldest() {
    pool_->wait(*in_flight_.front());
    auto piece = std::move(in_flight_.front());
    in_flight_.pop_front();
    emit(std::move(piece));
}

void PiecePipeline::emit(std::unique_ptr<Piece> piece) {
    emit_(piece->compressed, piece->size);
    spare_.push_back(std::move(piece));
}

std::string compressed_corpus_digest(const std::function<std::unique_ptr<Sink>(Sink& to)>& make_sink) {
    StringSink compressed(1 << 20);
    const auto sink = make_sink(compressed);
    sink->write(as_bytes(fingerprint_corpus()));
    sink->finish();
    return sha256(compressed.text()).text();
}

}  // namespace cooper
