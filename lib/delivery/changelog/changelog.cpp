// Reading and merging: the document is never written anew, only lines are put in between, so foreign text stays as it
// is.
#include "cooper/delivery/changelog.hpp"

#include "cooper/base/text.hpp"

#include "delivery/changelog/changelog_text.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace cooper::delivery {
namespace {

constexpr std::string_view kHistoryHeading = "## Build History";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::size_t kFullSha = 40;
constexpr std::size_t kNone = std::string::npos;

/// One line of the document.
struct Line {
    std::size_t begin = 0;
    std::size_t end = 0;    ///< after its line end
    std::string_view text;  ///< without line end and blanks at its end
};

class Lines {
public:
    explicit Lines(std::string_view document) : document_(document) {}
    bool next(Line& line) {
        if (position_ >= document_.size()) {
            return false;
        }
        const std::size_t newline = document_.find('\n', position_);
        line.begin = position_;
        line.end = newline == kNone ? document_.size() : newline + 1;
        std::string_view text = document_.substr(line.begin, line.end - line.begin);
        line.text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
        if (line.begin == 0 && line.text.starts_with(kByteOrderMark)) {
            line.text.remove_prefix(kByteOrderMark.size());
        }
        position_ = line.end;
        return true;
    }

private:
    std::string_view document_;
    std::size_t position_ = 0;
};

/// An entry with the places where merging may change it.
struct Scanned : ParsedEntry {
    std::size_t images_begin = kNone;  ///< the Images field's value
    std::size_t images_end = kNone;
    std::size_t status_begin = kNone;  ///< the Status field's value
    std::size_t status_end = kNone;
    std::size_t fields_begin = 0;  ///< after the heading and the Commit line
};

struct History {
    std::vector<Scanned> entries;
    std::size_t heading_end = kNone;  ///< after the "## Build History" line; kNone: there is none
};

bool is_heading(std::string_view line) {
    const std::size_t level = std::min(line.find_first_not_of('#'), line.size());
    return level >= 1 && level <= 6 && (level == line.size() || line[level] == ' ');
}

bool ends_section(std::string_view line) {
    return line.starts_with("# ") || line.starts_with("## ");
}

/// "### 2024-01-16 09:15:42Z - def5678".
bool parse_heading(std::string_view line, ParsedEntry& entry) {
    constexpr std::string_view kMark = "### ";
    constexpr std::string_view kSeparator = " - ";
    constexpr std::size_t kTime = 20;
    if (!line.starts_with(kMark)) {
        return false;
    }
    line.remove_prefix(kMark.size());
    if (line.size() < kTime || line[10] != ' ' || line[kTime - 1] != 'Z' || line.substr(kTime, 3) != kSeparator) {
        return false;
    }
    std::string time(line.substr(0, kTime));
    time[10] = 'T';
    const auto parsed = parse_rfc3339(time);
    const std::string_view sha = line.substr(kTime + kSeparator.size());
    if (!parsed || !is_heading_sha(sha)) {
        return false;
    }
    entry.time = *parsed;
    entry.short_sha = sha;
    entry.commit = sha;
    return true;
}

/// The target of a Markdown link that `text` begins with.
std::string_view link_target(std::string_view text, std::string_view label) {
    const std::string begin = "[" + std::string(label) + "](";
    const std::size_t end = text.find(')');
    return text.starts_with(begin) && end != kNone ? text.substr(begin.size(), end - begin.size()) : std::string_view();
}

/// A commit's page tells the full commit and the repository: "https://github.com/o/r/commit/SHA".
void read_commit_url(std::string_view url, ParsedEntry& entry) {
    const std::size_t slash = url.rfind('/');
    if (slash == kNone) {
        return;
    }
    const std::string_view commit = url.substr(slash + 1);
    const bool hex = commit.find_first_not_of("0123456789abcdef") == kNone;
    if (!hex || commit.size() < kFullSha || !commit.starts_with(entry.short_sha)) {
        return;
    }
    entry.commit = commit;
    constexpr std::string_view kCommitPage = "/commit";
    if (const std::string_view page = url.substr(0, slash); entry.repository.empty() && page.ends_with(kCommitPage)) {
        entry.repository = page.substr(0, page.size() - kCommitPage.size());
    }
}

void read_images(std::string_view value, std::size_t begin, Scanned& entry) {
    entry.images_begin = begin;
    entry.images_end = begin + value.size();
    for (const std::string_view image : split(value, ',')) {
        if (const std::string_view name = trim(image); !name.empty()) {
            entry.images.push_back(percent_decode(name));
        }
    }
}

void read_field(const Line& line, std::string_view document, Scanned& entry) {
    const auto value_of = [&](std::string_view name) -> std::optional<std::string_view> {
        const std::string prefix = "**" + std::string(name) + "**:";
        return line.text.starts_with(prefix) ? std::optional(trim(line.text.substr(prefix.size()))) : std::nullopt;
    };
    const auto begin_of = [&](std::string_view value) {
        return value.empty() ? line.begin + line.text.size() : static_cast<std::size_t>(value.data() - document.data());
    };
    if (const auto images = value_of("Images"); images && entry.images_begin == kNone) {
        read_images(*images, begin_of(*images), entry);
    } else if (const auto status = value_of("Status"); status && entry.status_begin == kNone) {
        entry.status = *status;
        entry.status_begin = begin_of(*status);
        entry.status_end = entry.status_begin + status->size();
    } else if (const auto commit = value_of("Commit")) {
        entry.fields_begin = line.end;
        read_commit_url(link_target(*commit, "`" + entry.short_sha + "`"), entry);
    } else if (const auto links = value_of("Links")) {
        read_commit_url(link_target(*links, "commit"), entry);
    } else if (const auto repository = value_of("Repository"); repository && !repository->empty()) {
        entry.repository = *repository;
    }
}

/// An entry ends at a blank line, at the next heading, or with the document.
History scan(std::string_view document) {
    History history;
    Lines lines(document);
    bool inside_entry = false;
    for (Line line; lines.next(line);) {
        if (history.heading_end == kNone) {
            if (line.text == kHistoryHeading) {
                history.heading_end = line.end;
            }
            continue;
        }
        if (ends_section(line.text)) {
            break;
        }
        Scanned entry;
        if (parse_heading(line.text, entry)) {
            entry.begin = line.begin;
            entry.end = line.end;
            entry.fields_begin = line.end;
            history.entries.push_back(std::move(entry));
            inside_entry = true;
        } else if (line.text.empty() || is_heading(line.text)) {
            inside_entry = false;
        } else if (inside_entry) {
            read_field(line, document, history.entries.back());
            history.entries.back().end = line.end;
        }
    }
    return history;
}

bool is_full(std::string_view commit) {
    return commit.size() >= kFullSha;
}

/// The identity of an entry is (repository, commit); what is not known on one side does not tell two builds apart.
bool is_same_build(const ParsedEntry& there, const ChangelogEntry& entry, const std::string& repository) {
    if (!there.repository.empty() && !repository.empty() && there.repository != repository) {
        return false;
    }
    return is_full(there.commit) && is_full(entry.commit) ? there.commit == entry.commit
                                                          : there.short_sha == entry.short_sha;
}

/// Newest first, then by commit, then by repository: total, so that two jobs make one file.
auto rank(TimePoint time, std::string_view short_sha, std::string_view repository) {
    return std::tuple(-time.time_since_epoch().count(), short_sha, repository);
}

void add_images(std::vector<std::string>& to, const std::vector<std::string>& images) {
    to.insert(to.end(), images.begin(), images.end());
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
}

bool has_images(const std::vector<std::string>& there, const std::vector<std::string>& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& image) {
        return std::find(there.begin(), there.end(), image) != there.end();
    });
}

/// Nothing is to be written. What the document says of the same day or an earlier one gives way: the entries know the
/// time, it does not.
bool says_withdrawn(const std::string& status, const Withdrawal& withdrawal) {
    const auto there = withdrawal_of(status);
    return there && (there->time > withdrawal.time || status == written_status(withdrawal));
}

/// Collects changes to one document and makes them in one pass.
class Merger {
public:
    explicit Merger(std::string_view document) : document_(document), history_(scan(document)) {
        const std::size_t newline = document.find('\n');
        newline_ = newline != kNone && newline > 0 && document[newline - 1] == '\r' ? "\r\n" : "\n";
        for (std::size_t i = 0; i < history_.entries.size(); ++i) {
            remember(i);
        }
    }

    void merge(const ChangelogEntry& entry) {
        if (const auto found = find(entry)) {
            Scanned& there = history_.entries[*found];
            if (!has_images(there.images, entry.images)) {
                add_images(there.images, entry.images);
                images_changed_.insert(*found);
            }
            withdraw(*found, entry.withdrawn);
            return;
        }
        Scanned fresh;
        fresh.time = entry.time;
        fresh.short_sha = entry.short_sha;
        fresh.commit = entry.commit;
        fresh.repository = written_repository(entry.repository);
        fresh.images = entry.images;
        history_.entries.push_back(std::move(fresh));
        remember(history_.entries.size() - 1);
        fresh_.push_back({history_.entries.size() - 1, entry});
        withdraw(fresh_.back().index, entry.withdrawn);
    }

    std::string finish() {
        drop_earlier_withdrawals();
        if (images_changed_.empty() && withdrawn_.empty() && fresh_.empty()) {
            return std::string(document_);
        }
        sort_fresh();
        collect_field_edits();
        collect_insertions();
        std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) { return a.begin < b.begin; });
        std::string result;
        std::size_t position = 0;
        for (const Edit& edit : edits_) {
            result.append(document_.substr(position, edit.begin - position));
            result += edit.text;
            position = edit.end;
        }
        result.append(document_.substr(position));
        if (history_.heading_end == kNone) {
            append_section(result);
        }
        return result;
    }

private:
    /// An entry that the document did not have; `index` in history_.
    struct Fresh {
        std::size_t index = 0;
        ChangelogEntry entry;
    };
    struct Edit {
        std::size_t begin = 0;
        std::size_t end = 0;
        std::string text;
    };

    void remember(std::size_t index) {
        const Scanned& entry = history_.entries[index];
        by_name_.emplace(entry.short_sha, index);
        if (entry.commit != entry.short_sha) {
            by_name_.emplace(entry.commit, index);
        }
    }

    [[nodiscard]] std::optional<std::size_t> find(const ChangelogEntry& entry) const {
        const std::string repository = written_repository(entry.repository);
        std::optional<std::size_t> first;
        for (const std::string& name : {entry.commit, entry.short_sha}) {
            const auto [begin, end] = by_name_.equal_range(name);
            for (auto at = begin; at != end; ++at) {
                if (is_same_build(history_.entries[at->second], entry, repository) && (!first || at->second < *first)) {
                    first = at->second;
                }
            }
        }
        return first;
    }

    [[nodiscard]] std::string in_document_style(std::string text) const {
        if (newline_ == "\n") {
            return text;
        }
        std::string styled;
        for (const char c : text) {
            styled += c == '\n' ? newline_ : std::string(1, c);
        }
        return styled;
    }

    void withdraw(std::size_t index, const std::optional<Withdrawal>& withdrawal) {
        if (withdrawal) {
            std::optional<Withdrawal>& kept = withdrawn_[index];
            kept = later_withdrawal(kept, withdrawal);
        }
    }

    void drop_earlier_withdrawals() {
        std::erase_if(withdrawn_, [&](const auto& item) {
            return says_withdrawn(history_.entries[item.first].status, *item.second);
        });
    }

    void collect_field_edits() {
        std::set<std::size_t> changed = images_changed_;
        for (const auto& [index, withdrawal] : withdrawn_) {
            changed.insert(index);
        }
        for (const std::size_t index : changed) {
            if (index < count_in_document()) {  // others are written with all their fields below
                collect_field_edits(index);
            }
        }
    }

    void collect_field_edits(std::size_t index) {
        const Scanned& entry = history_.entries[index];
        std::string added;
        const auto set = [&](std::string_view name, std::size_t begin, std::size_t end, const std::string& value) {
            if (begin == kNone) {
                added += "**" + std::string(name) + "**: " + value + newline_;
                return;
            }
            const bool blank = document_[begin - 1] == ' ' || document_[begin - 1] == '\t';
            edits_.push_back({begin, end, (blank ? "" : " ") + value});
        };
        if (const auto withdrawn = withdrawn_.find(index); withdrawn != withdrawn_.end()) {
            set("Status", entry.status_begin, entry.status_end, written_status(*withdrawn->second));
        }
        if (images_changed_.contains(index)) {
            set("Images", entry.images_begin, entry.images_end, written_images(entry.images));
        }
        if (!added.empty()) {
            const bool open_line = document_[entry.fields_begin - 1] != '\n';
            edits_.push_back({entry.fields_begin, entry.fields_begin, (open_line ? newline_ : "") + added});
        }
    }

    [[nodiscard]] std::size_t count_in_document() const { return history_.entries.size() - fresh_.size(); }

    [[nodiscard]] auto rank_at(std::size_t index) const {
        const Scanned& entry = history_.entries[index];
        return rank(entry.time, entry.short_sha, entry.repository);
    }

    /// New entries in their order, with all that was merged into them.
    void sort_fresh() {
        std::sort(fresh_.begin(), fresh_.end(),
                  [&](const Fresh& a, const Fresh& b) { return rank_at(a.index) < rank_at(b.index); });
        for (Fresh& fresh : fresh_) {
            fresh.entry.images = history_.entries[fresh.index].images;
            if (const auto withdrawn = withdrawn_.find(fresh.index); withdrawn != withdrawn_.end()) {
                fresh.entry.withdrawn = withdrawn->second;
            }
        }
    }

    /// Before the first entry that is older, else after the last one. Running maxima make that a binary search also in
    /// a document that somebody sorted otherwise.
    void collect_insertions() {
        if (history_.heading_end == kNone) {
            return;
        }
        const std::size_t count = count_in_document();
        std::vector<std::size_t> oldest;  // index of the oldest entry up to each entry
        oldest.reserve(count);
        for (std::size_t i = 0; i < count; ++i) {
            oldest.push_back(i > 0 && rank_at(i) < rank_at(oldest.back()) ? oldest.back() : i);
        }
        std::map<std::size_t, std::vector<std::string>> texts;
        for (const Fresh& fresh : fresh_) {
            const auto older = std::partition_point(oldest.begin(), oldest.end(),
                                                    [&](std::size_t i) { return rank_at(i) < rank_at(fresh.index); });
            const auto index = static_cast<std::size_t>(older - oldest.begin());
            const std::size_t position = index < count ? history_.entries[index].begin
                                         : count > 0   ? history_.entries[count - 1].end
                                                       : history_.heading_end;
            texts[position].push_back(in_document_style(render(fresh.entry)));
        }
        for (const auto& [position, entries] : texts) {
            insert_at(position, entries);
        }
    }

    /// Blank lines are put around the entries where there are none.
    void insert_at(std::size_t position, const std::vector<std::string>& entries) {
        std::string text;
        if (position > 0 && document_[position - 1] != '\n') {
            text += newline_;
        }
        if (!is_blank_before(position)) {
            text += newline_;
        }
        for (std::size_t i = 0; i < entries.size(); ++i) {
            text += (i > 0 ? newline_ : "") + entries[i];
        }
        if (position < document_.size() && !is_blank_at(position)) {
            text += newline_;
        }
        edits_.push_back({position, position, std::move(text)});
    }

    [[nodiscard]] bool is_blank_before(std::size_t position) const {
        if (position == 0 || document_[position - 1] != '\n') {
            return position == 0;
        }
        const std::size_t previous = position > 1 ? document_.rfind('\n', position - 2) : kNone;
        const std::size_t begin = previous == kNone ? 0 : previous + 1;
        return trim(document_.substr(begin, position - begin)).empty();
    }

    [[nodiscard]] bool is_blank_at(std::size_t position) const {
        const std::size_t end = document_.find('\n', position);
        return trim(document_.substr(position, end == kNone ? kNone : end - position)).empty();
    }

    void append_section(std::string& result) const {
        const bool has_text = !result.empty() && result != kByteOrderMark;
        if (has_text && result.back() != '\n') {
            result += newline_;
        }
        if (has_text) {
            result += newline_;
        }
        result += std::string(kHistoryHeading) + newline_;
        for (const Fresh& fresh : fresh_) {
            result += newline_ + in_document_style(render(fresh.entry));
        }
    }

    std::string_view document_;
    History history_;
    std::string newline_;
    std::multimap<std::string, std::size_t, std::less<>> by_name_;
    std::set<std::size_t> images_changed_;                        // indices in history_
    std::map<std::size_t, std::optional<Withdrawal>> withdrawn_;  // the Status that entries must have
    std::vector<Fresh> fresh_;
    std::vector<Edit> edits_;
};

}  // namespace

bool is_heading_sha(std::string_view text) noexcept {
    return text.size() >= 7 && text.size() <= kFullSha && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
           });
}

std::vector<ParsedEntry> parse_changelog(std::string_view document) {
    const History history = scan(document);
    return {history.entries.begin(), history.entries.end()};
}

std::string merge_entries(std::string_view document, std::vector<ChangelogEntry> entries) {
    // The first time of a build is kept, whatever the order in which its entries are found.
    std::sort(entries.begin(), entries.end(), [](const ChangelogEntry& a, const ChangelogEntry& b) {
        return std::tie(a.time, a.short_sha, a.repository, a.images) <
               std::tie(b.time, b.short_sha, b.repository, b.images);
    });
    Merger merger(document);
    for (const ChangelogEntry& entry : entries) {
        merger.merge(entry);
    }
    return merger.finish();
}

std::string merge_entry(std::string_view document, const ChangelogEntry& entry) {
    return merge_entries(document, {entry});
}

bool is_same_build(const ParsedEntry& there, const ChangelogEntry& entry) {
    return is_same_build(there, entry, written_repository(entry.repository));
}

bool contains_entry(std::string_view document, const ChangelogEntry& entry) {
    const History history = scan(document);
    // The first one of this build is the one that merging looks at.
    const auto found = std::find_if(history.entries.begin(), history.entries.end(),
                                    [&](const Scanned& there) { return is_same_build(there, entry); });
    return found != history.entries.end() && has_images(found->images, entry.images) &&
           (!entry.withdrawn || says_withdrawn(found->status, *entry.withdrawn));
}

}  // namespace cooper::delivery
