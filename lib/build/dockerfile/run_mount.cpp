#include "build/dockerfile/run_mount.hpp"

#include "cooper/base/text.hpp"

#include "build/dockerfile/flags.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace cooper::build {

namespace {

using Type = RunMount::Type;

[[noreturn]] void fail(const std::string& problem, const std::string& advice = "") {
    Error error(ErrorCode::InvalidInput, problem);
    if (!advice.empty()) {
        error.advise(advice);
    }
    throw error;
}

struct TypeName {
    std::string_view name;
    Type type;
};
constexpr std::array kTypes{TypeName{"bind", Type::Bind}, TypeName{"cache", Type::Cache},
                            TypeName{"tmpfs", Type::Tmpfs}, TypeName{"secret", Type::Secret},
                            TypeName{"ssh", Type::Ssh}};

constexpr std::array<std::string_view, 19> kKeys{
    "type", "from", "source", "target", "readonly",    "id", "sharing", "required",  "size", "mode",
    "uid",  "gid",  "src",    "dst",    "destination", "ro", "rw",      "readwrite", "env"};

std::string_view name_of(Type type) {
    return std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& one) { return one.type == type; })->name;
}

/// The fields of a line of comma-separated values, quotes taken away ("" within quotes is one).
std::vector<std::string> split_fields(std::string_view text) {
    std::vector<std::string> fields;
    for (std::size_t at = 0;;) {
        std::string field;
        if (at < text.size() && text[at] == '"') {
            for (++at;; ++at) {
                const auto quote = text.find('"', at);
                if (quote == std::string_view::npos) {
                    fail("the value of --mount has a quote without an end");
                }
                field += text.substr(at, quote - at);
                at = quote + 1;
                if (at == text.size() || text[at] == ',') {
                    break;
                }
                if (text[at] != '"') {
                    fail("the value of --mount has text behind a quoted field");
                }
                field += '"';
            }
        } else {
            const auto end = std::min(text.find(',', at), text.size());
            field = text.substr(at, end - at);
            if (field.find('"') != std::string::npos) {
                fail("the value of --mount has a quote within a field: \"" + oci::printable(field) + "\"");
            }
            at = end;
        }
        fields.push_back(std::move(field));
        if (at == text.size()) {
            return fields;
        }
        ++at;
    }
}

struct Field {
    std::string key;  ///< lower case
    std::string value;
    bool has_value = false;
    std::string text;
};

Field parse_field(std::string text) {
    const auto equals = text.find('=');
    Field field;
    field.has_value = equals != std::string::npos;
    field.key = to_lower(std::string_view(text).substr(0, equals));
    field.value = field.has_value ? text.substr(equals + 1) : "";
    field.text = std::move(text);
    return field;
}

/// strconv.ParseBool.
bool parse_boolean(const Field& field) {
    constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
    constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
    if (std::find(kTrue.begin(), kTrue.end(), field.value) != kTrue.end()) {
        return true;
    }
    if (std::find(kFalse.begin(), kFalse.end(), field.value) == kFalse.end()) {
        fail("invalid value for " + field.key + ": " + oci::printable(field.value));
    }
    return false;
}

std::uint32_t parse_number(const Field& field, int base) {
    std::uint32_t number = 0;
    const char* const end = field.value.data() + field.value.size();
    const auto [last, error] = std::from_chars(field.value.data(), end, number, base);
    if (field.value.empty() || error != std::errc() || last != end) {
        fail("invalid value " + oci::printable(field.value) + " for " + field.key);
    }
    return number;
}

/// "10m", "1.5 GiB", "1gb": powers of 1024, as docker's sizes of memory are.
std::uint64_t parse_size(const Field& field) {
    constexpr std::string_view kUnits = "bkmgtp";
    const auto bad = [&] { fail("invalid value for " + field.key + ": " + oci::printable(field.value)); };
    const auto end = std::min(field.value.find_last_of("01234567890. ") + 1, field.value.size());
    auto digits = field.value.substr(0, end);
    const auto unit = to_lower(std::string_view(field.value).substr(end));
    if (digits.ends_with(' ')) {
        digits.pop_back();
    }
    double number = 0;
    const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const auto power = unit.empty() ? 0 : kUnits.find(unit[0]);
    const auto rest = unit.empty() ? "" : unit.substr(1);
    const bool known =
        power != std::string_view::npos && (rest.empty() || (power > 0 && (rest == "b" || rest == "ib")));
    if (digits.empty() || error != std::errc() || last != digits.data() + digits.size() || !known || number < 0) {
        bad();
    }
    number *= std::pow(1024.0, static_cast<double>(power));
    if (number >= 9.2e18) {
        bad();
    }
    return static_cast<std::uint64_t>(number);
}

class MountReader {
public:
    RunMount read(const std::vector<Field>& fields) {
        for (const auto& field : fields) {
            take(field);
        }
        check();
        if (!writable_said_) {
            mount_.read_only = mount_.type != Type::Cache && mount_.type != Type::Tmpfs;
        }
        return std::move(mount_);
    }

private:
    [[noreturn]] void fail_for_type(const Field& field) const {
        fail("unexpected key '" + field.key + "' for mount type '" + std::string(name_of(mount_.type)) + "'");
    }

    void take(const Field& field) {
        const auto is = [&](std::string_view a, std::string_view b = {}, std::string_view c = {}) {
            return field.key == a || (!b.empty() && field.key == b) || (!c.empty() && field.key == c);
        };
        if (is("readonly", "ro")) {
            set_read_only(!field.has_value || parse_boolean(field));
        } else if (is("readwrite", "rw")) {
            set_read_only(field.has_value && !parse_boolean(field));
        } else if (is("required")) {
            take_required(field);
        } else if (!field.has_value) {
            fail("invalid field '" + oci::printable(field.text) + "' must be a key=value pair",
                 did_you_mean(field.key, kKeys));
        } else if (is("type")) {
            take_type(field);
        } else if (is("from")) {
            mount_.from = field.value;
        } else if (is("source", "src")) {
            mount_.source = field.value;
        } else if (is("target", "dst", "destination")) {
            mount_.target = field.value;
        } else {
            take_rest(field);
        }
    }

    void take_rest(const Field& field) {
        if (field.key == "size") {
            if (mount_.type != Type::Tmpfs) {
                fail_for_type(field);
            }
            mount_.size = parse_size(field);
        } else if (field.key == "id") {
            mount_.id = field.value;
        } else if (field.key == "sharing") {
            take_sharing(field);
        } else if (field.key == "mode") {
            mount_.mode = parse_number(field, 8);
        } else if (field.key == "uid") {
            mount_.uid = parse_number(field, 10);
        } else if (field.key == "gid") {
            mount_.gid = parse_number(field, 10);
        } else if (field.key == "env") {
            mount_.env = field.value;
        } else {
            fail("unexpected key '" + oci::printable(field.key) + "' in '" + oci::printable(field.text) + "'",
                 did_you_mean(field.key, kKeys));
        }
    }

    void set_read_only(bool read_only) {
        mount_.read_only = read_only;
        writable_said_ = true;
    }

    void take_required(const Field& field) {
        if (mount_.type != Type::Secret && mount_.type != Type::Ssh) {
            fail_for_type(field);
        }
        mount_.required = !field.has_value || parse_boolean(field);
    }

    void take_type(const Field& field) {
        const auto name = to_lower(field.value);
        const auto* const found =
            std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& one) { return one.name == name; });
        if (found == kTypes.end()) {
            std::vector<std::string_view> names;
            for (const auto& one : kTypes) {
                names.push_back(one.name);
            }
            fail("unsupported mount type \"" + oci::printable(field.value) + "\"", did_you_mean(name, names));
        }
        mount_.type = found->type;
    }

    void take_sharing(const Field& field) {
        constexpr std::array<std::string_view, 3> kModes{"shared", "private", "locked"};
        const auto name = to_lower(field.value);
        const auto* const found = std::find(kModes.begin(), kModes.end(), name);
        if (found == kModes.end()) {
            fail("unsupported sharing value \"" + oci::printable(field.value) + "\"", did_you_mean(name, kModes));
        }
        mount_.sharing = static_cast<RunMount::Sharing>(found - kModes.begin());
        sharing_said_ = true;
    }

    void check() const {
        const std::string type(name_of(mount_.type));
        if (mount_.type == Type::Bind || mount_.type == Type::Tmpfs) {
            const char* const given = mount_.mode ? "mode" : mount_.uid ? "uid" : mount_.gid ? "gid" : nullptr;
            if (given != nullptr) {
                fail(std::string(given) + " not allowed for \"" + type + "\" type mounts");
            }
        }
        if (sharing_said_ && mount_.type != Type::Cache) {
            fail("sharing is for cache mounts, this one is of type " + type);
        }
        if (mount_.type != Type::Secret) {
            return;
        }
        if (!mount_.from.empty()) {
            fail("a secret mount has no from");
        }
        if (mount_.source.empty() && mount_.target.empty() && mount_.id.empty()) {
            fail("a secret mount needs one of id, source, target");
        }
        if (!mount_.source.empty() && !mount_.id.empty()) {
            fail("a secret mount has source or id, not both");
        }
    }

    RunMount mount_;
    bool writable_said_ = false;
    bool sharing_said_ = false;
};

std::vector<Field> parse_fields(std::string_view text) {
    std::vector<Field> fields;
    for (auto& field : split_fields(text)) {
        fields.push_back(parse_field(std::move(field)));
    }
    return fields;
}

}  // namespace

RunMount parse_run_mount(std::string_view text, const std::function<std::string(const std::string&)>& expand_value) {
    auto fields = parse_fields(text);
    for (auto& field : fields) {
        if (field.has_value) {
            field.value = expand_value(field.value);
        }
    }
    return MountReader().read(fields);
}

RunMount parse_run_mount(std::string_view text) {
    return MountReader().read(parse_fields(text));
}

std::string check_run_mount(std::string_view text) {
    std::string from;
    for (const auto& field : parse_fields(text)) {
        if (field.key == "from" && field.has_value) {
            const auto dollar = field.value.find('$');
            if (dollar != std::string::npos && dollar + 1 != field.value.size()) {
                fail("'from' doesn't support variable expansion", "define a stage with FROM and use its name here");
            }
            from = field.value;
        }
    }
    return from;
}

}  // namespace cooper::build
