// Files on their way through memory: one thread reads and writes in large steps, others hash what passes (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cooper::delivery {

/// A step that several threads look at. Given back to its pool when the last of them lets go.
struct Step {
    std::unique_ptr<std::byte[]> memory;
    std::size_t size = 0;

    [[nodiscard]] Bytes bytes() const { return {memory.get(), size}; }
};

/// A fixed number of steps: whoever reads waits for those who hash.
class StepPool {
public:
    static constexpr std::size_t kStepBytes = 256 * 1024;
    static constexpr std::size_t kSteps = 8;

    StepPool();
    /// Waits until one is free. The pool must outlive it.
    std::shared_ptr<Step> take();

private:
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<Step>> free_;
};

/// Hashes messages, one after the other, in a thread of its own. Fed by one thread.
class HashLane {
public:
    HashLane();
    HashLane(const HashLane&) = delete;
    HashLane& operator=(const HashLane&) = delete;
    ~HashLane();

    void update(std::shared_ptr<const Step> step);
    void end_message();
    /// The digests of the messages that were ended. Once.
    std::vector<Digest> finish();

private:
    using Item = std::shared_ptr<const Step>;  // null: the end of a message

    void push(Item item);
    void work();
    void stop() noexcept;

    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<Item> items_;
    bool closed_ = false;
    std::exception_ptr failure_;
    std::vector<Digest> digests_;
    std::thread thread_;
};

/// Carries ranges of files, in order, past up to two hashes (of all of it, and of pieces) and to a sink. One thread.
class Conveyor {
public:
    enum class Hash { Whole, Pieces, Both };
    /// Reports its bytes as the task `task` of `total` bytes.
    Conveyor(Hash what, std::string task, std::uint64_t total, const Run& run);
    Conveyor(const Conveyor&) = delete;
    Conveyor& operator=(const Conveyor&) = delete;
    ~Conveyor();

    /// `to` may be nullptr. `in_piece`: the bytes belong to the piece that end_piece() ends.
    void carry(const Ranged& from, std::uint64_t offset, std::uint64_t length, Sink* to, bool in_piece = false);
    void end_piece() { pieces_->end_message(); }

    /// After the last byte, once each.
    [[nodiscard]] Digest whole();
    [[nodiscard]] std::vector<Digest> pieces() { return pieces_->finish(); }

private:
    std::string task_;
    Run run_;
    std::uint64_t done_ = 0;
    StepPool pool_;  // the lanes' threads hold steps, so they go first
    std::unique_ptr<HashLane> whole_;
    std::unique_ptr<HashLane> pieces_;
};

}  // namespace cooper::delivery
