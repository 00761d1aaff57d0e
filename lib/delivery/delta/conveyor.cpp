#include "delivery/delta/conveyor.hpp"

#include "cooper/base/error.hpp"

namespace cooper::delivery {

StepPool::StepPool() {
    for (std::size_t i = 0; i < kSteps; ++i) {
        free_.push_back(std::make_unique<Step>(Step{std::make_unique_for_overwrite<std::byte[]>(kStepBytes), 0}));
    }
}

std::shared_ptr<Step> StepPool::take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return !free_.empty(); });
    Step* const step = free_.back().release();
    free_.pop_back();
    lock.unlock();
    return {step, [this](Step* used) {
                const std::scoped_lock give_back(mutex_);
                free_.emplace_back(used);  // within the capacity of the beginning: cannot throw
                freed_.notify_one();
            }};
}

HashLane::HashLane() : thread_([this] { work(); }) {}

HashLane::~HashLane() {
    stop();
}

void HashLane::update(std::shared_ptr<const Step> step) {
    push(std::move(step));
}

void HashLane::end_message() {
    push(nullptr);
}

void HashLane::push(Item item) {
    const std::scoped_lock lock(mutex_);
    items_.push_back(std::move(item));
    filled_.notify_one();
}

std::vector<Digest> HashLane::finish() {
    stop();
    if (failure_) {
        std::rethrow_exception(failure_);
    }
    return std::move(digests_);
}

void HashLane::stop() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
    }
    filled_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void HashLane::work() {
    Hasher hasher;
    while (true) {
        Item item;
        {
            std::unique_lock lock(mutex_);
            filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
            if (items_.empty()) {
                return;
            }
            item = std::move(items_.front());
            items_.pop_front();
        }
        if (failure_) {
            continue;  // steps must go back to the pool all the same
        }
        try {
            if (item) {
                hasher.update(item->bytes());
            } else {
                digests_.push_back(hasher.finish());
                hasher = Hasher();
            }
        } catch (...) {
            failure_ = std::current_exception();
        }
    }
}

Conveyor::Conveyor(Hash what, std::string task, std::uint64_t total, const Run& run)
    : task_(std::move(task)), run_(run) {
    if (what != Hash::Pieces) {
        whole_ = std::make_unique<HashLane>();
    }
    if (what != Hash::Whole) {
        pieces_ = std::make_unique<HashLane>();
    }
    run_.progress->begin(task_, total);
}

Conveyor::~Conveyor() {
    run_.progress->end(task_);
}

void Conveyor::carry(const Ranged& from, std::uint64_t offset, std::uint64_t length, Sink* to, bool in_piece) {
    const auto source = from.open(offset, length);
    while (length > 0) {
        run_.check();
        const auto step = pool_.take();
        step->size = static_cast<std::size_t>(std::min<std::uint64_t>(length, StepPool::kStepBytes));
        if (read_full(*source, {step->memory.get(), step->size}) != step->size) {
            throw Error(ErrorCode::Integrity, task_ + " became shorter while it was read");
        }
        if (whole_) {
            whole_->update(step);
        }
        if (pieces_ && in_piece) {
            pieces_->update(step);
        }
        if (to != nullptr) {
            to->write(step->bytes());
        }
        length -= step->size;
        done_ += step->size;
        run_.progress->advance(task_, done_);
    }
}

Digest Conveyor::whole() {
    whole_->end_message();
    return whole_->finish().front();
}

}  // namespace cooper::delivery
