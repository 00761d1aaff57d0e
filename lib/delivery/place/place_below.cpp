#include "cooper/delivery/place_below.hpp"

namespace cooper::delivery {

namespace {

/// A tarball on its way below a prefix: what is staged is told by its key there.
class UploadBelow final : public TarballUpload {
public:
    UploadBelow(std::unique_ptr<TarballUpload> upload, std::size_t prefix)
        : upload_(std::move(upload)), prefix_(prefix) {}

    void part(std::uint32_t number, std::uint64_t offset, Bytes bytes) override {
        upload_->part(number, offset, bytes);
    }
    [[nodiscard]] std::vector<std::uint64_t> part_lengths() const override { return upload_->part_lengths(); }
    [[nodiscard]] Traffic traffic() const override { return upload_->traffic(); }
    void keep_for_later() noexcept override { upload_->keep_for_later(); }
    [[nodiscard]] StagedTarball stage(const TarballFacts& facts, const Run& run) override {
        StagedTarball staged = upload_->stage(facts, run);
        staged.key.erase(0, prefix_);
        return staged;
    }
    void complete(const TarballFacts& facts, const Run& run) override { upload_->complete(facts, run); }

private:
    std::unique_ptr<TarballUpload> upload_;
    std::size_t prefix_;
};

class PlaceBelow final : public Place {
public:
    PlaceBelow(std::unique_ptr<Place> place, const std::string& prefix)
        : place_(std::move(place)), prefix_(prefix + "/") {}

    [[nodiscard]] std::string name() const override {
        return place_->name() + "/" + prefix_.substr(0, prefix_.size() - 1);
    }
    [[nodiscard]] std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) override {
        return place_->find_tarball(prefix_ + key, run);
    }
    [[nodiscard]] std::unique_ptr<TarballUpload> begin_tarball(const std::string& key, const TarballFacts& known,
                                                               const Reuse* reuse, const Run& run) override {
        std::optional<Reuse> above;
        if (reuse != nullptr) {
            above = *reuse;
            above->key = prefix_ + above->key;
        }
        return std::make_unique<UploadBelow>(
            place_->begin_tarball(prefix_ + key, known, above ? &*above : nullptr, run), prefix_.size());
    }
    [[nodiscard]] std::optional<std::string> copy_source(const std::string& key, const TarballFacts& expected,
                                                         const Run& run) override {
        return place_->copy_source(prefix_ + key, expected, run);
    }
    [[nodiscard]] bool copies_ranges() const noexcept override { return place_->copies_ranges(); }
    [[nodiscard]] std::vector<std::uint64_t> cut(std::uint64_t size, const Reuse& reuse) const override {
        return place_->cut(size, reuse);
    }
    [[nodiscard]] std::uint64_t part_size(std::uint64_t size) const override { return place_->part_size(size); }
    void complete_staged(const StagedTarball& staged, const Run& run) override {
        place_->complete_staged(above(staged), run);
    }
    [[nodiscard]] bool goes_on_with(const StagedTarball& staged) const noexcept override {
        return place_->goes_on_with(staged);
    }
    void discard_staged(const StagedTarball& staged, const Run& run) override {
        place_->discard_staged(above(staged), run);
    }
    bool remove_tarball(const std::string& key, const TarballFacts& facts, const Run& run) override {
        return place_->remove_tarball(prefix_ + key, facts, run);
    }
    bool label(const std::string& key, const std::map<std::string, std::string>& labels, const Run& run) override {
        return place_->label(prefix_ + key, labels, run);
    }
    void record_facts(const std::string& key, const TarballFacts& facts, const Run& run) override {
        place_->record_facts(prefix_ + key, facts, run);
    }
    [[nodiscard]] std::optional<Text> find_text(const std::string& key, const Run& run) override {
        return place_->find_text(prefix_ + key, run);
    }
    bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                      const Run& run) override {
        return place_->replace_text(prefix_ + key, text, etag, run);
    }
    void put_text(const std::string& key, const std::string& text, const Run& run) override {
        place_->put_text(prefix_ + key, text, run);
    }
    void remove_text(const std::string& key, const Run& run) override { place_->remove_text(prefix_ + key, run); }
    [[nodiscard]] bool has_conditional_writes(const Run& run) override { return place_->has_conditional_writes(run); }
    [[nodiscard]] std::vector<std::string> list(const std::string& prefix, const Run& run) override {
        std::vector<std::string> keys = place_->list(prefix_ + prefix, run);
        for (std::string& key : keys) {
            key.erase(0, prefix_.size());
        }
        return keys;
    }
    [[nodiscard]] Link link(const std::string& key, std::chrono::seconds lifetime, const Run& run) override {
        return place_->link(prefix_ + key, lifetime, run);
    }

private:
    [[nodiscard]] StagedTarball above(const StagedTarball& staged) const {
        return {prefix_ + staged.key, staged.facts, staged.handle};
    }

    std::unique_ptr<Place> place_;
    std::string prefix_;
};

}  // namespace

std::unique_ptr<Place> make_place_below(std::unique_ptr<Place> place, std::string prefix) {
    const std::size_t first = prefix.find_first_not_of('/');
    if (first == std::string::npos) {
        return place;
    }
    prefix = prefix.substr(first, prefix.find_last_not_of('/') - first + 1);
    return std::make_unique<PlaceBelow>(std::move(place), prefix);
}

}  // namespace cooper::delivery
