// Bytes of layers on their way from thread to thread, with a bound on how many are under way.
#pragma once

#include "cooper/base/stream.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <stop_token>

namespace cooper::build {

/// A piece of a layer's tar; the last one of each layer is empty.
struct LayerChunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;

    [[nodiscard]] Bytes view() const { return {bytes.get(), size}; }
};

/// One writer, one reader. Both throw Cancelled when their token asks for it.
class LayerPipe {
public:
    static constexpr std::size_t kChunk = 256 * 1024;
    static constexpr std::size_t kMaxChunks = 48;  // 12 MiB

    void push(LayerChunk chunk, const std::stop_token& stop);
    LayerChunk pop(const std::stop_token& stop);

private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::deque<LayerChunk> chunks_;
};

/// One layer of what comes out of a pipe.
class PipedLayer final : public Source {
public:
    PipedLayer(LayerPipe& pipe, std::stop_token stop) : pipe_(pipe), stop_(std::move(stop)) {}
    std::size_t read(MutableBytes into) override;

private:
    LayerPipe& pipe_;
    std::stop_token stop_;
    LayerChunk chunk_;
    std::size_t used_ = 0;
    bool ended_ = false;
};

}  // namespace cooper::build
