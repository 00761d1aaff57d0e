// One platform's build: stages run side by side, each when somebody needs it (private).
#pragma once

#include "cooper/build/dockerfile_stages.hpp"
#include "cooper/build/image_build.hpp"

#include "base/workers.hpp"
#include "build/image/base_images.hpp"
#include "build/image/blob_maker.hpp"
#include "build/image/image_state.hpp"
#include "build/image/record_book.hpp"
#include "build/image/step_log.hpp"

#include <condition_variable>
#include <future>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::build {

/// At most so many steps at once, over all platforms.
class StepSlots {
public:
    explicit StepSlots(unsigned count) : free_(count) {}
    class Slot {
    public:
        explicit Slot(StepSlots& slots) : slots_(slots) { slots_.take(); }
        ~Slot() { slots_.give(); }
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;

    private:
        StepSlots& slots_;
    };

private:
    void take();
    void give();

    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned free_;
};

/// What all platforms of a build share. Borrowed.
struct BuildWork {
    const Dockerfile& dockerfile;
    const ContextTree& context;
    const ImageBuildOptions& options;
    const ImageBuildServices& services;
    const std::map<std::string, ContextTree, std::less<>>& named_trees;  ///< --build-context that are directories
    BaseImages& images;
    RecordBook& book;
    StepLog& log;
    StepSlots& slots;
    BlobMaker& blobs;
    std::int64_t epoch = 0;
    bool epoch_given = false;  ///< SOURCE_DATE_EPOCH was said: commands see it too
};

/// What a stage came to.
struct StageResult {
    ImageState image;
    StageVariables variables;
};

class PlatformBuild {
public:
    PlatformBuild(const BuildWork& work, StageOptions options, const Run& run);

    /// The target. Throws what the first stage that failed threw.
    [[nodiscard]] StageResult build();

    /// The layers of every stage that was built, each once. After build().
    [[nodiscard]] std::vector<LayerState> all_layers() const;

    // For stages.
    /// Waits for another stage; begins it when nobody has.
    [[nodiscard]] const StageResult& stage(std::size_t index);
    /// The stage's layers are layers of the result: it is the target, or the target stands on it.
    [[nodiscard]] bool is_in_result(std::size_t index) const;
    /// What a named context gives instead of an image or stage; nullptr: there is none of that name.
    [[nodiscard]] const std::string* named_context(std::string_view name) const;
    [[nodiscard]] const BuildWork& work() const noexcept { return work_; }
    [[nodiscard]] const StagePlan& plan() const noexcept { return plan_; }
    [[nodiscard]] const StageOptions& stage_options() const noexcept { return options_; }
    [[nodiscard]] Run run() const { return workers_.run(); }

private:
    std::shared_future<StageResult> begin(std::size_t index);

    const BuildWork& work_;
    StageOptions options_;
    StagePlan plan_;
    std::mutex mutex_;
    bool closed_ = false;  // nothing may begin any more
    std::vector<std::shared_future<StageResult>> stages_;
    Workers workers_;
};

}  // namespace cooper::build
