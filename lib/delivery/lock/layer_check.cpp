#include "delivery/lock/layer_check.hpp"

#include "cooper/base/compression.hpp"

#include "base/workers.hpp"

#include <algorithm>
#include <array>
#include <atomic>

namespace cooper::delivery {
namespace {

constexpr std::size_t kMagicLength = 6;  // what detect_compression needs

class HashingSink final : public Sink {
public:
    explicit HashingSink(DigestAlgorithm algorithm) : hasher_(algorithm) {}
    void write(Bytes chunk) override { hasher_.update(chunk); }
    void finish() override {}
    [[nodiscard]] Digest digest() { return hasher_.finish(); }

private:
    Hasher hasher_;
};

class Checking {
public:
    Checking(std::string task, std::uint64_t total, const Run& run) : task_(std::move(task)) {
        run.progress->begin(task_, total);
    }

    Digest hash(const Ranged& whole, const Run& run) {
        Hasher hasher;
        read_all(*whole.open(), run, [&](Bytes chunk) { hasher.update(chunk); });
        return hasher.finish();
    }

    void check(LayerCheck& layer, const Run& run) {
        Hasher blob(layer.locked->blob.digest.algorithm());
        HashingSink inside(layer.locked->diff_id.algorithm());
        std::unique_ptr<Sink> inflater;
        try {
            read_all(*layer.open(run), run, [&](Bytes chunk) {
                blob.update(chunk);
                if (layer.failure.empty()) {
                    inflate(layer, inflater, inside, chunk);
                }
            });
            layer.blob = blob.finish();
            if (inflater && layer.failure.empty()) {
                inflater->finish();
                layer.diff_id = inside.digest();
            }
        } catch (const Error& error) {
            layer.failure = error.what();
        }
    }

private:
    /// What does not inflate is hashed to its end all the same.
    static void inflate(LayerCheck& layer, std::unique_ptr<Sink>& inflater, HashingSink& inside, Bytes chunk) {
        try {
            if (!inflater) {
                inflater = decompressing(inside, detect_compression(chunk.first(std::min(chunk.size(), kMagicLength))));
            }
            inflater->write(chunk);
        } catch (const Error& error) {
            layer.failure = error.what();
        }
    }

    template <class F>
    void read_all(Source& source, const Run& run, F take) {
        std::vector<std::byte> buffer(kStreamStep);
        while (const std::size_t count = read_full(source, buffer)) {
            run.check();
            take(Bytes(buffer).first(count));
            run.progress->advance(task_, done_ += count);
        }
    }

    std::string task_;
    std::atomic<std::uint64_t> done_{0};
};

}  // namespace

std::optional<Digest> check_layers(std::vector<LayerCheck>& layers, const Ranged* whole, unsigned jobs,
                                   const std::string& task, const Run& run) {
    std::uint64_t total = whole == nullptr ? 0 : whole->size();
    std::vector<LayerCheck*> order;
    for (LayerCheck& layer : layers) {
        total += layer.locked->blob.size;
        order.push_back(&layer);
    }
    std::stable_sort(order.begin(), order.end(), [](const LayerCheck* a, const LayerCheck* b) {
        return a->locked->blob.size > b->locked->blob.size;
    });
    Checking checking(task, total, run);
    std::optional<Digest> sha256;
    std::atomic<std::size_t> next{0};
    Workers workers(run);
    if (whole != nullptr) {
        workers.start([&, worker_run = workers.run()] { sha256 = checking.hash(*whole, worker_run); });
    }
    for (std::size_t i = 0; i < std::min<std::size_t>(std::max(1U, jobs), order.size()); ++i) {
        workers.start([&, worker_run = workers.run()] {
            for (std::size_t index = next++; index < order.size(); index = next++) {
                checking.check(*order[index], worker_run);
            }
        });
    }
    workers.join();
    run.progress->end(task);
    return sha256;
}

}  // namespace cooper::delivery
