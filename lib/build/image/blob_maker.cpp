#include "build/image/blob_maker.hpp"

#include <filesystem>

namespace cooper::build {

BlobMaker::BlobMaker(const ImageBuildOptions& options, const ImageBuildServices& services, const Run& run)
    : options_(options), services_(services), worker_(run) {}

BlobMaker::~BlobMaker() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    waiting_.clear();
    changed_.notify_all();
}

bool BlobMaker::is_at_hand(const LayerState& layer) const {
    if (!layer.step) {
        return true;  // a base image's, which is never compressed again
    }
    if (!layer.blob) {
        return false;
    }
    const bool as_wanted = layer.step->compressor == options_.compression.fingerprint();
    return as_wanted || (!services_.store.has(layer.blob->digest) && !services_.snapshots.has(layer.diff_id));
}

void BlobMaker::begin(const LayerState& layer) {
    if (is_at_hand(layer)) {
        return;
    }
    const std::lock_guard lock(mutex_);
    if (!layers_.emplace(layer.diff_id, Made{*layer.step, false}).second) {
        return;
    }
    waiting_.push_back(layer.diff_id);
    if (!working_) {
        working_ = true;
        worker_.start([this] { work(); });
    }
    changed_.notify_all();
}

void BlobMaker::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
        if (waiting_.empty()) {
            return;
        }
        const Digest diff_id = waiting_.front();
        waiting_.pop_front();
        lock.unlock();
        try {
            make(diff_id);
        } catch (...) {
            lock.lock();
            failed_ = true;
            changed_.notify_all();
            throw;
        }
        lock.lock();
        changed_.notify_all();
    }
}

void BlobMaker::make(const Digest& diff_id) {
    const BuiltLayer built = services_.snapshots.blob(diff_id, options_.compression, services_.spool, worker_.run());
    services_.store.adopt(built.descriptor.digest, built.file);
    std::filesystem::remove(built.file);
    const std::lock_guard lock(mutex_);
    Made& made = layers_.at(diff_id);
    made.record.blob = built.descriptor;
    made.record.compressor = built.compressor;
    made.done = true;
    if (!options_.cache_read_only) {
        services_.cache.remember(made.record);
    }
}

void BlobMaker::finish(std::vector<LayerState>& layers) {
    for (const LayerState& layer : layers) {
        begin(layer);
    }
    for (LayerState& layer : layers) {
        if (is_at_hand(layer)) {
            continue;
        }
        std::unique_lock lock(mutex_);
        const Made& made = layers_.at(layer.diff_id);
        changed_.wait(lock, [&] { return made.done || failed_; });
        if (failed_) {
            lock.unlock();
            worker_.join();  // throws what it threw
        }
        layer.blob = made.record.blob;
        layer.source = services_.store.through(nullptr);
        layer.step->blob = made.record.blob;
        layer.step->compressor = made.record.compressor;
    }
}

}  // namespace cooper::build
