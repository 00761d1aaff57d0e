// Blobs of captured layers, made while later steps run (private).
#pragma once

#include "cooper/build/image_build.hpp"

#include "base/workers.hpp"
#include "build/image/image_state.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

namespace cooper::build {

/// One layer after the other, each with all cores: commands seldom use them all. Put into the store, and their records
/// into the cache. Not finished: what is being made is given up. begin() from any thread.
class BlobMaker {
public:
    BlobMaker(const ImageBuildOptions& options, const ImageBuildServices& services, const Run& run);
    ~BlobMaker();
    BlobMaker(const BlobMaker&) = delete;
    BlobMaker& operator=(const BlobMaker&) = delete;

    /// Does nothing for a layer whose blob is there already.
    void begin(const LayerState& layer);
    /// Waits for the blobs of these layers, and makes those that nobody began. Throws what making one threw.
    void finish(std::vector<LayerState>& layers);

private:
    struct Made {
        StepRecord record;
        bool done = false;
    };
    [[nodiscard]] bool is_at_hand(const LayerState& layer) const;
    void work();
    void make(const Digest& diff_id);

    const ImageBuildOptions& options_;
    const ImageBuildServices& services_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<Digest, Made> layers_;  // by diff ID
    std::deque<Digest> waiting_;
    bool working_ = false;
    bool closed_ = false;
    bool failed_ = false;
    Workers worker_;
};

}  // namespace cooper::build
