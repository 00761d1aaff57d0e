#include "delivery/delivery_support.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

namespace cooper::testing {

using delivery::ChangelogEntry;
using delivery::TarballFacts;

std::filesystem::path golden_file(std::string_view path) {
    return std::filesystem::path(COOPER_GOLDEN) / "delivery" / path;
}

std::vector<std::string> evil_branches() {
    std::vector<std::string> names;
    const std::string text = read_file(golden_file("evil_branches.txt"), 1 << 20);
    for (const std::string_view line : split(text, '\n')) {
        if (!line.empty()) {
            names.emplace_back(line);
        }
    }
    return names;
}

TimePoint at(std::string_view rfc3339) {
    return parse_rfc3339(rfc3339).value();
}

ChangelogEntry entry_of(std::string_view time, std::string_view short_sha, std::vector<std::string> images) {
    ChangelogEntry entry;
    entry.time = at(time);
    entry.commit = std::string(short_sha) + std::string(40 - short_sha.size(), '0');
    entry.short_sha = short_sha;
    entry.subject = "Subject of " + std::string(short_sha);
    entry.images = std::move(images);
    entry.repository = "https://github.com/acme/openhands";
    entry.commit_url = entry.repository + "/commit/" + entry.commit;
    entry.build_url = entry.repository + "/actions/runs/17";
    return entry;
}

std::size_t count_of(std::string_view text, std::string_view needle) {
    std::size_t count = 0;
    for (std::size_t at = text.find(needle); at != std::string_view::npos; at = text.find(needle, at + needle.size())) {
        ++count;
    }
    return count;
}

template <class F>
auto MemoryPlace::step(const std::string& name, const std::string& key, F&& body) {
    if (before) {
        before(name, key);
    }
    const std::scoped_lock lock(mutex_);
    steps_.push_back(name + " " + key);
    struct Answer {
        MemoryPlace& place;
        const std::string& name;
        const std::string& key;
        void lose() const {
            if (place.after) {
                place.after(name, key);
            }
        }
    } const answer{*this, name, key};
    if constexpr (std::is_void_v<decltype(body())>) {
        body();
        answer.lose();
    } else {
        auto result = body();
        answer.lose();
        return result;
    }
}

class MemoryPlace::Upload final : public delivery::TarballUpload {
public:
    Upload(MemoryPlace& place, std::string key, std::uint64_t size)
        : place_(place), key_(std::move(key)), bytes_(size, '?') {}

    [[nodiscard]] delivery::Traffic traffic() const override { return {bytes_.size(), 0, 0}; }

    void part(std::uint32_t number, std::uint64_t offset, Bytes bytes) override {
        place_.step("part " + std::to_string(number), key_,
                    [&] { bytes_.replace(offset, bytes.size(), as_text(bytes)); });
    }

    [[nodiscard]] delivery::StagedTarball stage(const TarballFacts& facts, const Run& /*run*/) override {
        return place_.step("stage", key_, [&] {
            const std::string handle = "upload " + std::to_string(++place_.uploads_);
            place_.staged_[handle] = bytes_;
            return delivery::StagedTarball{key_, facts, handle};
        });
    }

    void complete(const TarballFacts& facts, const Run& /*run*/) override {
        place_.step("complete", key_, [&] {
            if (!place_.objects_.emplace(key_, bytes_).second) {
                throw Error(ErrorCode::Conflict, key_ + " is there already");
            }
            place_.facts_[key_] = facts;
        });
    }

private:
    MemoryPlace& place_;
    std::string key_;
    std::string bytes_;
};

std::optional<TarballFacts> MemoryPlace::find_tarball(const std::string& key, const Run& /*run*/) {
    return step("find_tarball", key, [&]() -> std::optional<TarballFacts> {
        const auto found = objects_.find(key);
        if (found == objects_.end()) {
            return std::nullopt;
        }
        TarballFacts facts = facts_[key];
        facts.size = found->second.size();
        return facts;
    });
}

std::unique_ptr<delivery::TarballUpload> MemoryPlace::begin_tarball(const std::string& key, const TarballFacts& known,
                                                                    const delivery::Reuse* /*reuse*/,
                                                                    const Run& /*run*/) {
    return step("begin", key, [&] { return std::make_unique<Upload>(*this, key, known.size); });
}

std::uint64_t MemoryPlace::part_size(std::uint64_t /*size*/) const {
    return part_bytes;
}

bool MemoryPlace::label(const std::string& key, const std::map<std::string, std::string>& labels, const Run& /*run*/) {
    return has_labels && step("label", key, [&] {
               std::map<std::string, std::string> merged = labels;
               merged.merge(labels_[key]);
               labels_[key] = merged;
               return true;
           });
}

std::map<std::string, std::string> MemoryPlace::labels(const std::string& key) const {
    const std::scoped_lock lock(mutex_);
    const auto found = labels_.find(key);
    return found == labels_.end() ? std::map<std::string, std::string>() : found->second;
}

void MemoryPlace::complete_staged(const delivery::StagedTarball& staged, const Run& /*run*/) {
    step("complete_staged", staged.key, [&] {
        const auto there = objects_.find(staged.key);
        if (there != objects_.end()) {
            if (facts_[staged.key].identity != staged.facts.identity) {
                throw Error(ErrorCode::Conflict, staged.key + " is there already");
            }
            return;
        }
        const auto found = staged_.find(staged.handle);
        if (found == staged_.end()) {
            throw Error(ErrorCode::NotFound, staged.handle + " is gone");
        }
        objects_[staged.key] = found->second;
        facts_[staged.key] = staged.facts;
        staged_.erase(found);
    });
}

void MemoryPlace::discard_staged(const delivery::StagedTarball& staged, const Run& /*run*/) {
    step("discard_staged", staged.key, [&] { staged_.erase(staged.handle); });
}

bool MemoryPlace::remove_tarball(const std::string& key, const TarballFacts& facts, const Run& /*run*/) {
    return step("remove_tarball", key, [&] {
        return objects_.contains(key) && facts_[key].identity == facts.identity && objects_.erase(key) > 0;
    });
}

std::size_t MemoryPlace::staged() const {
    const std::scoped_lock lock(mutex_);
    return staged_.size();
}

void MemoryPlace::record_facts(const std::string& key, const TarballFacts& facts, const Run& /*run*/) {
    step("record_facts", key, [&] { facts_[key] = facts; });
}

std::optional<delivery::Place::Text> MemoryPlace::find_text(const std::string& key, const Run& /*run*/) {
    return step("find_text", key, [&]() -> std::optional<Text> {
        const auto found = objects_.find(key);
        if (found == objects_.end()) {
            return std::nullopt;
        }
        return Text{found->second, "\"" + sha256(found->second).text() + "\""};
    });
}

bool MemoryPlace::replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                               const Run& run) {
    if (!conditional_) {
        throw Error(ErrorCode::Unsupported, "no conditional writes here");
    }
    return step("replace_text", key, [&] {
        const auto current = objects_.find(key);
        const bool there = current != objects_.end();
        if (there != etag.has_value() || (there && "\"" + sha256(current->second).text() + "\"" != *etag)) {
            return false;
        }
        run.check();
        objects_[key] = text;
        return true;
    });
}

void MemoryPlace::put_text(const std::string& key, const std::string& text, const Run& /*run*/) {
    step("put_text", key, [&] { objects_[key] = text; });
}

void MemoryPlace::remove_text(const std::string& key, const Run& /*run*/) {
    step("remove_text", key, [&] { objects_.erase(key); });
}

bool MemoryPlace::has_conditional_writes(const Run& /*run*/) {
    return conditional_;
}

std::vector<std::string> MemoryPlace::list(const std::string& prefix, const Run& /*run*/) {
    return step("list", prefix, [&] {
        std::vector<std::string> keys;
        for (const auto& [key, bytes] : objects_) {
            if (key.starts_with(prefix)) {
                keys.push_back(key);
            }
        }
        return keys;
    });
}

delivery::Link MemoryPlace::link(const std::string& key, std::chrono::seconds lifetime, const Run& run) {
    return {"https://store.example/" + percent_encode(key, "/"), run.clock->now_seconds() + lifetime, ""};
}

std::map<std::string, std::string> MemoryPlace::contents() const {
    const std::scoped_lock lock(mutex_);
    return objects_;
}

std::string MemoryPlace::text(const std::string& key) const {
    const std::scoped_lock lock(mutex_);
    const auto found = objects_.find(key);
    return found == objects_.end() ? std::string() : found->second;
}

void MemoryPlace::set_text(const std::string& key, std::string text) {
    const std::scoped_lock lock(mutex_);
    objects_[key] = std::move(text);
}

void MemoryPlace::forget_facts(const std::string& key) {
    const std::scoped_lock lock(mutex_);
    facts_.erase(key);
}

std::vector<std::string> MemoryPlace::steps() const {
    const std::scoped_lock lock(mutex_);
    return steps_;
}

void MemoryPlace::forget_steps() {
    const std::scoped_lock lock(mutex_);
    steps_.clear();
}

}  // namespace cooper::testing
