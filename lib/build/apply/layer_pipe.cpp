#include "build/apply/layer_pipe.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>
#include <cstring>

namespace cooper::build {

void LayerPipe::push(LayerChunk chunk, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [this] { return chunks_.size() < kMaxChunks; })) {
        throw Cancelled();
    }
    chunks_.push_back(std::move(chunk));
    if (chunks_.size() == 1) {
        changed_.notify_one();
    }
}

LayerChunk LayerPipe::pop(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, stop, [this] { return !chunks_.empty(); })) {
        throw Cancelled();
    }
    LayerChunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    // Waking the writer for each chunk would cost a switch of threads each.
    if (chunks_.size() == kMaxChunks / 2) {
        changed_.notify_one();
    }
    return chunk;
}

std::size_t PipedLayer::read(MutableBytes into) {
    if (!ended_ && used_ == chunk_.size) {
        chunk_ = pipe_.pop(stop_);
        used_ = 0;
        ended_ = chunk_.size == 0;
    }
    const std::size_t count = std::min(into.size(), chunk_.size - used_);
    if (count > 0) {
        std::memcpy(into.data(), chunk_.bytes.get() + used_, count);
        used_ += count;
    }
    return count;
}

}  // namespace cooper::build
