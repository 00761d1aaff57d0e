#include "cooper/build/build_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/oci/reference.hpp"

#include "base/json.hpp"
#include "build/record/record_limits.hpp"
#include "build/record/without_credentials.hpp"
#include "build/tags/tag_levels.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <tuple>

namespace cooper::build {

namespace {

using Sorted = nlohmann::json;  // members by key, as RFC 8785 wants them (ours are all ASCII)

constexpr std::string_view kFamily = "cooper.build.lock/";
constexpr std::string_view kSchema = "cooper.build.lock/1";

Error invalid(std::string_view what, const std::string& problem) {
    return {ErrorCode::InvalidInput, std::string(what) + ": " + problem};
}

// --- writing -------------------------------------------------------------------------------------------------------

template <class T>
std::vector<T> sorted_set(std::vector<T> values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    return values;
}

/// A list of objects in the order of the named members, which come first for people.
Sorted sorted_list(std::vector<Sorted> items, const char* first, const char* second) {
    const auto order = [&](const Sorted& item) { return std::tie(item.at(first), item.at(second), item); };
    std::sort(items.begin(), items.end(), [&](const Sorted& a, const Sorted& b) { return order(a) < order(b); });
    items.erase(std::unique(items.begin(), items.end()), items.end());
    return items;
}

Sorted json_of(const std::vector<BuildRecord::Base>& bases) {
    std::vector<Sorted> items;
    for (const auto& base : bases) {
        items.push_back({{"reference", without_credentials(base.reference)},
                         {"platform", base.platform},
                         {"manifest", base.manifest.text()}});
    }
    return sorted_list(std::move(items), "reference", "platform");
}

Sorted json_of(const std::vector<BuildRecord::Fetched>& fetched) {
    std::vector<Sorted> items;
    for (const auto& each : fetched) {
        items.push_back({{"url", without_credentials(each.url)}, {"digest", each.digest.text()}, {"size", each.size}});
    }
    return sorted_list(std::move(items), "url", "digest");
}

Sorted json_of(const std::vector<BuildRecord::Checkout>& checkouts) {
    std::vector<Sorted> items;
    for (const auto& checkout : checkouts) {
        items.push_back({{"reference", without_credentials(checkout.reference)}, {"commit", checkout.commit}});
    }
    return sorted_list(std::move(items), "reference", "commit");
}

Sorted json_of(const std::vector<BuildRecord::Result>& results) {
    std::vector<Sorted> items;
    for (const auto& result : results) {
        items.push_back({{"platform", result.platform}, {"manifest", result.manifest.text()}});
    }
    return sorted_list(std::move(items), "platform", "manifest");
}

Sorted json_of(const BuildRecord& record) {
    Sorted args = Sorted::object();
    std::vector<std::string> secret_args = record.secret_args;
    for (const auto& [name, value] : record.args) {
        if (looks_secret(name, value)) {
            secret_args.push_back(name);
        } else {
            args[name] = value;
        }
    }
    Sorted steps = Sorted::array();
    for (const BuildRecord::Step& step : record.steps) {
        steps.push_back({{"stage", step.stage},
                         {"platform", step.platform},
                         {"instruction", redact(step.instruction)},
                         {"key", step.key.text()},
                         {"diff_id", step.diff_id.text()}});
    }
    return {{"schema", kSchema},
            {"dockerfile", record.dockerfile.text()},
            {"target", record.target},
            {"epoch", record.epoch},
            {"scrub", sorted_set(record.scrub)},
            {"args", std::move(args)},
            {"secret_args", sorted_set(std::move(secret_args))},
            {"secrets", sorted_set(record.secrets)},
            {"bases", json_of(record.bases)},
            {"fetched", json_of(record.fetched)},
            {"checkouts", json_of(record.checkouts)},
            {"steps", std::move(steps)},
            {"results", json_of(record.results)}};
}

// --- reading -------------------------------------------------------------------------------------------------------

class RecordReader {
public:
    explicit RecordReader(std::string_view what) : what_(what) {}

    [[nodiscard]] BuildRecord read(const json::Value& root) const {
        check_members(root,
                      {"schema", "dockerfile", "target", "epoch", "scrub", "args", "secret_args", "secrets", "bases",
                       "fetched", "checkouts", "steps", "results"},
                      what_);
        Digest dockerfile = digest(root, "dockerfile", what_);
        BuildRecord record{.dockerfile = std::move(dockerfile),
                           .target = {},
                           .epoch = 0,
                           .scrub = {},
                           .args = {},
                           .secret_args = {},
                           .secrets = {},
                           .bases = {},
                           .fetched = {},
                           .checkouts = {},
                           .steps = {},
                           .results = {}};
        record.target = json::string_member(root, "target", what_);
        record.epoch = epoch(root);
        record.scrub = texts(root, "scrub");
        record.args = args(root);
        record.secret_args = texts(root, "secret_args");
        record.secrets = texts(root, "secrets");
        each(root, "bases", {"reference", "platform", "manifest"}, [&](const auto& item, const auto& where) {
            Digest manifest = digest(item, "manifest", where);
            record.bases.push_back({text(item, "reference", where), text(item, "platform", where), manifest});
        });
        each(root, "fetched", {"url", "digest", "size"}, [&](const auto& item, const auto& where) {
            Digest content = digest(item, "digest", where);
            record.fetched.push_back({text(item, "url", where), content, json::uint_member(item, "size", where)});
        });
        each(root, "checkouts", {"reference", "commit"}, [&](const auto& item, const auto& where) {
            record.checkouts.push_back({text(item, "reference", where), text(item, "commit", where)});
        });
        each(root, "steps", {"stage", "platform", "instruction", "key", "diff_id"},
             [&](const auto& item, const auto& where) {
                 Digest key = digest(item, "key", where);
                 Digest diff_id = digest(item, "diff_id", where);
                 record.steps.push_back({text(item, "stage", where), text(item, "platform", where),
                                         text(item, "instruction", where), key, diff_id});
             });
        each(root, "results", {"platform", "manifest"}, [&](const auto& item, const auto& where) {
            Digest manifest = digest(item, "manifest", where);
            record.results.push_back({text(item, "platform", where), manifest});
        });
        return record;
    }

private:
    static void check_members(const json::Value& object, std::initializer_list<std::string_view> known,
                              const std::string& where) {
        if (!object.is_object()) {
            throw invalid(where, "not an object");
        }
        for (const auto& [name, value] : object.items()) {
            if (std::find(known.begin(), known.end(), name) == known.end()) {
                throw invalid(where, "unknown member '" + oci::printable(name) + "'");
            }
        }
    }

    [[nodiscard]] const json::Value& list(const json::Value& root, const std::string& key) const {
        const json::Value& value = json::member(root, key, what_);
        if (!value.is_array() || value.size() > kMaxRecordItems) {
            throw invalid(what_, key + " is no list of at most " + std::to_string(kMaxRecordItems));
        }
        return value;
    }

    template <class F>
    void each(const json::Value& root, const std::string& key, std::initializer_list<std::string_view> members,
              F&& take) const {
        std::size_t index = 0;
        for (const json::Value& item : list(root, key)) {
            const std::string where = what_ + ": " + key + "[" + std::to_string(index++) + "]";
            check_members(item, members, where);
            take(item, where);
        }
    }

    static std::string text(const json::Value& object, std::string_view key, const std::string& where) {
        return json::string_member(object, key, where);
    }

    static Digest digest(const json::Value& object, std::string_view key, const std::string& where) {
        auto found = Digest::try_parse(json::string_member(object, key, where));
        if (!found) {
            throw invalid(where, std::string(key) + " is no digest");
        }
        return std::move(*found);
    }

    [[nodiscard]] std::int64_t epoch(const json::Value& root) const {
        const auto found = json::find_int(root, "epoch", what_);
        if (!found) {
            throw invalid(what_, "epoch is missing");
        }
        return *found;
    }

    [[nodiscard]] std::vector<std::string> texts(const json::Value& root, const std::string& key) const {
        std::vector<std::string> all;
        for (const json::Value& item : list(root, key)) {
            if (!item.is_string()) {
                throw invalid(what_, key + "[" + std::to_string(all.size()) + "] is not a string");
            }
            all.push_back(item.get<std::string>());
        }
        return all;
    }

    [[nodiscard]] std::vector<std::pair<std::string, std::string>> args(const json::Value& root) const {
        const json::Value& object = json::member(root, "args", what_);
        if (!object.is_object() || object.size() > kMaxRecordItems) {
            throw invalid(what_, "args is no object of at most " + std::to_string(kMaxRecordItems) + " members");
        }
        std::vector<std::pair<std::string, std::string>> all;
        for (const auto& [name, value] : object.items()) {
            if (!value.is_string()) {
                throw invalid(what_, "args." + oci::printable(name) + " is not a string");
            }
            all.emplace_back(name, value.template get<std::string>());
        }
        return all;
    }

    std::string what_;
};

void check_schema(const json::Value& root, std::string_view what) {
    const std::string schema = json::string_member(root, "schema", what);
    if (schema == kSchema) {
        return;
    }
    if (!schema.starts_with(kFamily)) {
        throw invalid(what, "no lock of a build: its schema is '" + oci::printable(schema) + "'");
    }
    Error error(ErrorCode::Unsupported, std::string(what) + " is of the schema '" + oci::printable(schema) +
                                            "', this cooper reads " + std::string(kSchema));
    error.advise("write it again with this version, or build with the version that wrote it");
    throw error;
}

template <class T, class F>
const T* find_where(const std::vector<T>& items, F&& is_meant) {
    const auto found = std::find_if(items.begin(), items.end(), is_meant);
    return found == items.end() ? nullptr : &*found;
}

}  // namespace

std::string without_credentials(std::string_view url) {
    constexpr std::string_view kSeparator = "://";
    const std::size_t scheme = url.find(kSeparator);
    if (scheme == std::string_view::npos) {
        return std::string(url);
    }
    const std::size_t start = scheme + kSeparator.size();
    const std::string_view authority = url.substr(start, url.find_first_of("/?#", start) - start);
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) {
        return std::string(url);
    }
    std::string user(authority.substr(0, at));
    user = url.substr(0, scheme) == "ssh" ? user.substr(0, user.find(':')) + "@" : std::string();
    return std::string(url.substr(0, start)) + user + std::string(url.substr(start + at + 1));
}

std::string BuildRecord::json() const {
    // Dockerfiles and arguments may hold bytes that are no UTF-8; JSON may not.
    return json_of(*this).dump(-1, ' ', false, Sorted::error_handler_t::replace);
}

BuildRecord BuildRecord::parse(std::string_view text, std::string_view what) {
    if (text.size() > kMaxRecordText) {
        throw invalid(what, "longer than " + std::to_string(kMaxRecordText) + " bytes");
    }
    const json::Value root = json::parse(text, what);
    check_schema(root, what);
    return RecordReader(what).read(root);
}

const BuildRecord::Base* BuildRecord::find_base(std::string_view reference, std::string_view platform) const {
    return find_where(bases, [wanted = without_credentials(reference), platform](const Base& base) {
        return base.platform == platform && without_credentials(base.reference) == wanted;
    });
}

const BuildRecord::Fetched* BuildRecord::find_fetched(std::string_view url) const {
    return find_where(fetched, [wanted = without_credentials(url)](const Fetched& each) {
        return without_credentials(each.url) == wanted;
    });
}

const BuildRecord::Checkout* BuildRecord::find_checkout(std::string_view reference) const {
    return find_where(checkouts, [wanted = without_credentials(reference)](const Checkout& each) {
        return without_credentials(each.reference) == wanted;
    });
}

bool is_pinned_image(std::string_view reference) {
    for (const std::string_view prefix : {"docker-image://", "docker://"}) {
        if (reference.starts_with(prefix)) {
            reference.remove_prefix(prefix.size());
        }
    }
    try {
        return oci::Reference::parse(reference).digest().has_value();
    } catch (const Error&) {
        return false;
    }
}

}  // namespace cooper::build
