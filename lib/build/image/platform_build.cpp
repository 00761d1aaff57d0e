#include "build/image/platform_build.hpp"

#include "build/image/stage_builder.hpp"

#include <algorithm>
#include <set>

namespace cooper::build {

void StepSlots::take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return free_ > 0; });
    --free_;
}

void StepSlots::give() {
    {
        const std::lock_guard lock(mutex_);
        ++free_;
    }
    changed_.notify_one();
}

PlatformBuild::PlatformBuild(const BuildWork& work, StageOptions options, const Run& run)
    : work_(work),
      options_(std::move(options)),
      plan_(StagePlan::make(work.dockerfile, options_)),
      stages_(work.dockerfile.stages.size()),
      workers_(run) {}

std::shared_future<StageResult> PlatformBuild::begin(std::size_t index) {
    const std::lock_guard lock(mutex_);
    if (stages_[index].valid()) {
        return stages_[index];
    }
    if (closed_) {
        throw Cancelled();
    }
    auto promise = std::make_shared<std::promise<StageResult>>();
    stages_[index] = promise->get_future().share();
    workers_.start([this, index, promise] {
        try {
            promise->set_value(StageBuilder(*this, index).build());
        } catch (...) {
            promise->set_exception(std::current_exception());
            throw;  // stops the others
        }
    });
    return stages_[index];
}

const StageResult& PlatformBuild::stage(std::size_t index) {
    begin(index);
    return stages_[index].get();
}

const std::string* PlatformBuild::named_context(std::string_view name) const {
    const auto& contexts = work_.options.contexts;
    const auto found =
        std::find_if(contexts.rbegin(), contexts.rend(), [&](const auto& each) { return each.first == name; });
    return found == contexts.rend() ? nullptr : &found->second;
}

bool PlatformBuild::is_in_result(std::size_t index) const {
    std::size_t stage = plan_.target;
    while (stage != index) {
        if (plan_.bases[stage].kind != StageBase::Kind::Stage) {
            return false;
        }
        stage = plan_.bases[stage].stage;
    }
    return true;
}

StageResult PlatformBuild::build() {
    for (std::size_t i = 0; i < plan_.needed.size(); ++i) {
        if (plan_.needed[i]) {
            begin(i);
        }
    }
    const auto target = begin(plan_.target);
    target.wait();
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    workers_.join();  // the first failure, not one that it caused
    return target.get();
}

std::vector<LayerState> PlatformBuild::all_layers() const {
    std::vector<LayerState> all;
    std::set<Digest> keys;
    for (const auto& stage : stages_) {
        if (!stage.valid()) {
            continue;
        }
        for (const LayerState& layer : stage.get().image.layers) {
            if (layer.step && keys.insert(layer.step->key).second) {
                all.push_back(layer);
            }
        }
    }
    return all;
}

}  // namespace cooper::build
