#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"

#include "build/tags/latest_guard.hpp"
#include "build/tags/metadata_expression.hpp"
#include "build/tags/metadata_rule.hpp"
#include "build/tags/tag_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <utility>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxTag = 128;  // OCI distribution specification 1.1, "Pulling manifests"
constexpr std::string_view kHeads = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";
constexpr std::string_view kPulls = "refs/pull/";

const std::vector<std::string>& default_rules() {
    static const std::vector<std::string> kRules = {"type=ref,event=branch",
                                                    "type=ref,event=pr",
                                                    "type=sha",
                                                    "type=sha,format=long",
                                                    "type=semver,pattern={{version}}",
                                                    "type=semver,pattern={{major}}.{{minor}}",
                                                    "type=semver,pattern={{major}}"};
    return kRules;
}

/// What follows `prefix`; nullopt for a ref of another kind.
std::optional<std::string> find_name(const std::string& ref, std::string_view prefix) {
    return ref.starts_with(prefix) ? std::optional(ref.substr(prefix.size())) : std::nullopt;
}

std::string clean(std::string_view text) {
    return dash_runs(text, "_");
}

/// The rules at work on one set of facts.
class Rules {
public:
    Rules(const GitFacts& facts, const GitTagOptions& options, const Flavor& flavor)
        : facts_(facts), options_(options), flavor_(flavor) {
        const bool pull_request = facts.event.find("pull_request") != std::string::npos;
        sha_ = options.pr_head_sha && pull_request && !facts.head_sha.empty() ? facts.head_sha : facts.sha;
    }

    void apply(const TagRule& rule);

    /// Different ones, cleaned, in order.
    [[nodiscard]] const std::vector<std::string>& values() const noexcept { return values_; }
    /// What the first rule that gave a value says of "latest".
    [[nodiscard]] bool latest() const noexcept { return latest_.value_or(false); }
    /// Of the first semver rule, else of the ref.
    [[nodiscard]] std::optional<Version> version() const;

private:
    struct Value {
        std::string text;
        bool latest = false;
    };
    [[nodiscard]] std::string expand(std::string_view text) const;
    [[nodiscard]] std::optional<std::string> look_up(std::string_view name) const;
    [[nodiscard]] bool is_default_branch() const;
    [[nodiscard]] std::string short_sha() const { return sha_.substr(0, options_.short_sha_length); }
    [[nodiscard]] std::optional<Value> find_value(const TagRule& rule);
    [[nodiscard]] std::optional<Value> find_ref(const TagRule& rule) const;
    [[nodiscard]] std::optional<Value> find_semver_value(const TagRule& rule);
    [[nodiscard]] std::optional<Value> find_edge(const TagRule& rule) const;
    [[nodiscard]] std::optional<Value> find_sha(const TagRule& rule) const;

    const GitFacts& facts_;
    const GitTagOptions& options_;
    const Flavor& flavor_;
    std::string sha_;
    std::vector<std::string> values_;
    std::optional<bool> latest_;
    std::optional<Version> version_;
};

void Rules::apply(const TagRule& rule) {
    const std::string enable = expand(rule.value("enable"));
    if (enable != "true" && enable != "false") {
        throw Error(ErrorCode::InvalidInput, "tag rule '" + oci::printable(rule.text) +
                                                 "': enable=" + oci::printable(enable) + " is neither true nor false");
    }
    const auto value = enable == "true" ? find_value(rule) : std::nullopt;
    if (!value) {
        return;
    }
    const std::string text = expand(rule.find("prefix").value_or(flavor_.prefix)) + value->text +
                             expand(rule.find("suffix").value_or(flavor_.suffix));
    if (text.empty()) {
        return;
    }
    if (!latest_) {
        latest_ = value->latest;
    }
    if (auto tag = clean(text); std::find(values_.begin(), values_.end(), tag) == values_.end()) {
        values_.push_back(std::move(tag));
    }
}

std::optional<Version> Rules::version() const {
    if (version_) {
        return version_;
    }
    const auto tag = find_name(facts_.ref, kTags);
    return tag ? find_version(*tag) : std::nullopt;
}

bool Rules::is_default_branch() const {
    const auto branch = find_name(facts_.ref, kHeads);
    if (!branch) {
        return false;
    }
    if (facts_.default_branch.empty()) {
        throw Error(ErrorCode::InvalidInput, "a tag rule asks for the default branch, and which one it is is not known")
            .advise("name the branch in the rule, or run 'git remote set-head origin --auto' in the checkout");
    }
    return *branch == facts_.default_branch;
}

std::optional<std::string> Rules::look_up(std::string_view name) const {
    if (name == "branch") {
        return find_name(facts_.ref, kHeads).value_or("");
    }
    if (name == "tag") {
        return find_name(facts_.ref, kTags).value_or("");
    }
    if (name == "sha") {
        return short_sha();
    }
    if (name == "is_default_branch") {
        return is_default_branch() ? "true" : "false";
    }
    if (name == "is_not_default_branch") {
        return is_default_branch() ? "false" : "true";
    }
    return std::nullopt;
}

std::string Rules::expand(std::string_view text) const {
    return expand_expression(
        text, [&](std::string_view name) { return look_up(name); },
        "{{branch}} {{tag}} {{sha}} {{is_default_branch}} {{is_not_default_branch}}");
}

std::optional<Rules::Value> Rules::find_value(const TagRule& rule) {
    switch (rule.type) {
        case TagRule::Type::Ref:
            return find_ref(rule);
        case TagRule::Type::Semver:
            return find_semver_value(rule);
        case TagRule::Type::Edge:
            return find_edge(rule);
        case TagRule::Type::Raw:
            return Value{expand(rule.value("value")), false};
        case TagRule::Type::Sha:
            return find_sha(rule);
    }
    return std::nullopt;
}

std::optional<Rules::Value> Rules::find_sha(const TagRule& rule) const {
    if (sha_.empty()) {
        return std::nullopt;
    }
    return Value{rule.value("format") == "short" ? short_sha() : sha_, false};
}

std::optional<Rules::Value> Rules::find_ref(const TagRule& rule) const {
    const std::string event = rule.value("event");
    auto name = find_name(facts_.ref, event == "branch" ? kHeads : event == "tag" ? kTags : kPulls);
    if (!name) {
        return std::nullopt;
    }
    if (event == "pr" && name->ends_with("/merge")) {
        name->resize(name->size() - std::string_view("/merge").size());
    }
    return Value{*name, event == "tag"};
}

std::optional<Rules::Value> Rules::find_semver_value(const TagRule& rule) {
    const std::string given = rule.value("value");
    const auto tag = find_name(facts_.ref, kTags);
    if (given.empty() && !tag) {
        return std::nullopt;
    }
    std::string raw = given.empty() ? *tag : expand(given);
    std::replace(raw.begin(), raw.end(), '/', '-');
    auto version = find_semver(raw);
    if (!version) {
        return std::nullopt;  // a warning in the action
    }
    const std::string pattern = rule.value("pattern");
    const bool whole = !version->is_release() && !is_single_expression(pattern, "raw");
    const auto look_up_part = [&](std::string_view name) -> std::optional<std::string> {
        return name == "version" ? std::optional(version->text())
               : name == "major" ? std::optional(version->major)
               : name == "minor" ? std::optional(version->minor)
               : name == "patch" ? std::optional(version->patch)
               : name == "raw"   ? std::optional(raw)
                                 : std::nullopt;
    };
    const std::string text =
        expand_expression(pattern, look_up_part, "{{version}} {{major}} {{minor}} {{patch}} {{raw}}");
    Value value{whole ? version->text() : text, version->is_release()};
    if (!version_) {
        version_ = std::move(version);
    }
    return value;
}

std::optional<Rules::Value> Rules::find_edge(const TagRule& rule) const {
    const auto branch = find_name(facts_.ref, kHeads);
    if (!branch) {
        return std::nullopt;
    }
    const std::string edge = rule.value("branch");
    if (edge.empty() ? !is_default_branch() : edge != *branch) {
        return std::nullopt;
    }
    return Value{"edge", false};
}

LatestQuestion question_of(const Rules& rules, bool named, const Flavor& flavor, const GitTagOptions& options,
                           const GitFacts& facts) {
    LatestQuestion question{options.latest, options.force_latest, false, {}, rules.version()};
    if (question.wish == Latest::Auto && flavor.latest == Flavor::Latest::True) {
        question.wish = Latest::Always;
    }
    if (named) {
        question.given = true;
        question.because = "a rule or the ref itself names it";
    } else if (flavor.latest == Flavor::Latest::False) {
        question.because = "the flavor says latest=false";
    } else if (rules.latest()) {
        question.given = true;
        question.because = question.candidate ? question.candidate->text() + " is a release"
                                              : "'" + oci::printable(name_of_ref(facts.ref)) + "' is a tag";
    } else {
        question.because = facts.ref.empty() ? "there is no branch or tag"
                                             : "'" + oci::printable(name_of_ref(facts.ref)) + "' is no release";
    }
    return question;
}

void settle_latest(GitTags& tags, const Rules& rules, const Flavor& flavor, const GitTagOptions& options,
                   const GitFacts& facts) {
    if (tags.tags.empty()) {
        tags.latest_reason = "no rule gave a tag";
        return;
    }
    const std::string latest =
        clean((flavor.prefix_latest ? flavor.prefix : "") + "latest" + (flavor.suffix_latest ? flavor.suffix : ""));
    const auto named = std::find(tags.tags.begin(), tags.tags.end(), latest);
    const auto answer = decide_latest(question_of(rules, named != tags.tags.end(), flavor, options, facts), facts);
    tags.latest = answer.given;
    tags.latest_reason = answer.reason;
    if (answer.given && named == tags.tags.end()) {
        tags.tags.push_back(latest);
    } else if (!answer.given && named != tags.tags.end()) {
        tags.tags.erase(named);
    }
}

void add_caches(GitTags& tags, const GitFacts& facts, const std::string& tail) {
    std::string name = clean(facts.ref_name.empty() ? name_of_ref(facts.ref) : facts.ref_name);
    const std::string own = "buildcache" + (name.empty() ? "" : "-" + name) + tail;
    const std::string fallback =
        "buildcache-" + clean(facts.default_branch.empty() ? "main" : facts.default_branch) + tail;
    tags.cache_to = own.size() <= kMaxTag ? own : "";
    for (const auto& tag : {own, fallback}) {
        if (tag.size() <= kMaxTag && (tags.cache_from.empty() || tags.cache_from.front() != tag)) {
            tags.cache_from.push_back(tag);
        }
    }
}

}  // namespace

GitTags compute_metadata_tags(const GitFacts& facts, const GitTagOptions& options) {
    check_names(facts);
    const Flavor flavor = parse_flavor(options.flavor);
    Rules rules(facts, options, flavor);
    for (const auto& rule : parse_tag_rules(options.rules.empty() ? default_rules() : options.rules)) {
        rules.apply(rule);
    }
    GitTags tags;
    for (const auto& image : options.images) {
        tags.repositories.push_back(to_lower(image));
    }
    tags.tags = rules.values();
    tags.version = tags.tags.empty() ? "" : tags.tags.front();
    settle_latest(tags, rules, flavor, options, facts);
    add_endings(tags.tags, options);
    add_caches(tags, facts, suffix_tail(options) + platform_tail(options));
    return tags;
}

GitTags metadata_tags(const GitFacts& facts, const GitTagOptions& options) {
    auto tags = compute_metadata_tags(facts, options);
    check_git_tags(tags);
    return tags;
}

}  // namespace cooper::build
