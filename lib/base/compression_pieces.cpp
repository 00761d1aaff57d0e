#include "base/compression_pieces.hpp"

#include "cooper/base/digest.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

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
    explicit Piece(const PieceFormat& format)
        // Not vectors: those would write zeros over their megabytes.
        : plain(std::make_unique_for_overwrite<std::byte[]>(format.piece_size)),
          room(std::make_unique_for_overwrite<std::byte[]>(format.room_for(format.piece_size))) {}

    void compress(PieceCompressor& compressor, const PieceFormat& format) {
        compressed = compressor.compress({plain.get(), size}, {room.get(), format.room_for(size)});
    }

    std::unique_ptr<std::byte[]> plain;
    std::size_t size = 0;
    std::unique_ptr<std::byte[]> room;
    CompressedPiece compressed;
    bool taken = false;
    bool done = false;
};

/// Threads that compress pieces; the one that completes the oldest hands on what is complete from there.
class PiecePipeline::Pool {
public:
    Pool(unsigned threads, const PieceFormat& format, const Emit& emit)
        : format_(format), emit_(emit), most_in_flight_(threads + kQueued) {
        threads_.reserve(threads);
        for (unsigned i = 0; i < threads; ++i) {
            threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
        }
    }

    /// Waits while too many are under way; throws what a thread threw. Returns a piece to fill, which may be null.
    std::unique_ptr<Piece> submit(std::unique_ptr<Piece> piece) {
        std::unique_lock lock(mutex_);
        emitted_.wait(lock, [&] { return failure_ || in_flight_.size() < most_in_flight_; });
        rethrow_failure();
        in_flight_.push_back(std::move(piece));
        work_there_.notify_one();
        if (spare_.empty()) {
            return nullptr;
        }
        auto spare = std::move(spare_.back());
        spare_.pop_back();
        return spare;
    }
    /// Waits until all are handed on.
    void drain() {
        std::unique_lock lock(mutex_);
        emitted_.wait(lock, [&] { return failure_ || in_flight_.empty(); });
        rethrow_failure();
    }

private:
    void rethrow_failure() const {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

    /// nullptr: there is nothing to take.
    Piece* untaken() {
        const auto found =
            std::find_if(in_flight_.begin(), in_flight_.end(), [](const auto& piece) { return !piece->taken; });
        return found == in_flight_.end() ? nullptr : found->get();
    }

    void work(const std::stop_token& stop) {
        std::unique_ptr<PieceCompressor> compressor;
        std::unique_lock lock(mutex_);
        const auto ready = [&] { return failure_ || untaken() != nullptr; };
        while (work_there_.wait(lock, stop, ready)) {
            auto* const piece = failure_ || stop.stop_requested() ? nullptr : untaken();
            if (piece == nullptr) {
                return;
            }
            piece->taken = true;
            lock.unlock();
            try {
                if (!compressor) {
                    compressor = format_.make_compressor();
                }
                piece->compress(*compressor, format_);
                lock.lock();
                piece->done = true;
                emit_done(lock);
            } catch (...) {
                fail(lock);
            }
        }
    }

    /// Hands on from the oldest piece as far as they are done, unless another thread does.
    void emit_done(std::unique_lock<std::mutex>& lock) {
        while (!emitting_ && !failure_ && !in_flight_.empty() && in_flight_.front()->done) {
            emitting_ = true;
            auto& piece = *in_flight_.front();
            lock.unlock();
            emit_(piece.compressed, piece.size);
            lock.lock();
            emitting_ = false;
            spare_.push_back(std::move(in_flight_.front()));
            in_flight_.pop_front();
            emitted_.notify_one();
        }
    }

    void fail(std::unique_lock<std::mutex>& lock) {
        if (!lock.owns_lock()) {
            lock.lock();
        }
        if (!failure_) {
            failure_ = std::current_exception();
        }
        emitted_.notify_one();
        work_there_.notify_all();
    }

    const PieceFormat& format_;
    const Emit& emit_;
    std::size_t most_in_flight_;
    std::mutex mutex_;
    std::condition_variable_any work_there_;
    std::condition_variable emitted_;
    std::deque<std::unique_ptr<Piece>> in_flight_;  // oldest first; those being handed on are in it
    std::vector<std::unique_ptr<Piece>> spare_;
    bool emitting_ = false;
    std::exception_ptr failure_;
    std::vector<std::jthread> threads_;  // last: joined before what they use goes
};

PiecePipeline::PiecePipeline(PieceFormat format, unsigned threads, Emit emit)
    : format_(std::move(format)), threads_(choose_threads(threads)), emit_(std::move(emit)) {}

PiecePipeline::~PiecePipeline() = default;

void PiecePipeline::write(Bytes chunk) {
    while (!chunk.empty()) {
        if (!current_) {
            current_ = std::make_unique<Piece>(format_);
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
    if (current_ && current_->size > 0) {
        submit();
    }
    if (pool_) {
        pool_->drain();
    }
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
        emit_(current_->compressed, current_->size);
    } else {
        if (!pool_) {
            pool_ = std::make_unique<Pool>(threads_, format_, emit_);
        }
        current_ = pool_->submit(std::move(current_));
    }
    if (current_) {
        current_->size = 0;
        current_->taken = false;
        current_->done = false;
    }
}

std::string compressed_corpus_digest(const std::function<std::unique_ptr<Sink>(Sink& to)>& make_sink) {
    StringSink compressed(1 << 20);
    const auto sink = make_sink(compressed);
    sink->write(as_bytes(fingerprint_corpus()));
    sink->finish();
    return sha256(compressed.text()).text();
}

}  // namespace cooper
