// What the tests of the delivery room share: a place in memory that can fail at any step, evil names, sample entries.
#pragma once

#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/place.hpp"

#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::testing {

/// A file below golden/delivery.
std::filesystem::path golden_file(std::string_view path);

/// Names that git takes and that have hurt somebody somewhere; one a line in golden/delivery/evil_branches.txt.
std::vector<std::string> evil_branches();

/// A time in 2024.
TimePoint at(std::string_view rfc3339);

/// An entry whose commit is 40 digits that begin with `short_sha`.
delivery::ChangelogEntry entry_of(std::string_view time, std::string_view short_sha,
                                  std::vector<std::string> images = {"openhands"});

/// `needle` occurs in `text` this often.
std::size_t count_of(std::string_view text, std::string_view needle);

/// A place in memory with the bucket's promises. Thread-safe. `before` and `after` are called with the name of each
/// step and its key, and may throw: before it happens, or when it has happened and only the answer is lost.
class MemoryPlace final : public delivery::Place {
public:
    explicit MemoryPlace(bool conditional = true) : conditional_(conditional) {}

    std::function<void(const std::string& step, const std::string& key)> before;
    std::function<void(const std::string& step, const std::string& key)> after;
    std::uint64_t part_bytes = 64 * 1024;

    [[nodiscard]] std::string name() const override { return "memory:"; }
    [[nodiscard]] std::optional<delivery::TarballFacts> find_tarball(const std::string& key, const Run& run) override;
    [[nodiscard]] std::unique_ptr<delivery::TarballUpload> begin_tarball(const std::string& key,
                                                                         const delivery::TarballFacts& known,
                                                                         const delivery::Reuse* reuse,
                                                                         const Run& run) override;
    [[nodiscard]] std::uint64_t part_size(std::uint64_t size) const override;
    void complete_staged(const delivery::StagedTarball& staged, const Run& run) override;
    void discard_staged(const delivery::StagedTarball& staged, const Run& run) override;
    bool remove_tarball(const std::string& key, const delivery::TarballFacts& facts, const Run& run) override;
    bool label(const std::string& key, const std::map<std::string, std::string>& labels, const Run& run) override;
    void record_facts(const std::string& key, const delivery::TarballFacts& facts, const Run& run) override;
    [[nodiscard]] std::optional<Text> find_text(const std::string& key, const Run& run) override;
    bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                      const Run& run) override;
    void put_text(const std::string& key, const std::string& text, const Run& run) override;
    void remove_text(const std::string& key, const Run& run) override;
    [[nodiscard]] bool has_conditional_writes(const Run& run) override;
    [[nodiscard]] std::vector<std::string> list(const std::string& prefix, const Run& run) override;
    [[nodiscard]] delivery::Link link(const std::string& key, std::chrono::seconds lifetime, const Run& run) override;

    /// What is visible, by key: tarballs and texts.
    [[nodiscard]] std::map<std::string, std::string> contents() const;
    [[nodiscard]] std::string text(const std::string& key) const;
    void set_text(const std::string& key, std::string text);
    void forget_facts(const std::string& key);
    bool has_labels = true;
    [[nodiscard]] std::map<std::string, std::string> labels(const std::string& key) const;
    /// Tarballs that wait to be completed.
    [[nodiscard]] std::size_t staged() const;
    /// Steps so far ("complete x/abc1234/app:1.tar").
    [[nodiscard]] std::vector<std::string> steps() const;
    void forget_steps();

private:
    class Upload;
    template <class F>
    auto step(const std::string& name, const std::string& key, F&& body);

    bool conditional_;
    mutable std::recursive_mutex mutex_;
    std::map<std::string, std::string> objects_;
    std::map<std::string, delivery::TarballFacts> facts_;
    std::map<std::string, std::map<std::string, std::string>> labels_;
    std::map<std::string, std::string> staged_;
    int uploads_ = 0;
    std::vector<std::string> steps_;
};

}  // namespace cooper::testing
