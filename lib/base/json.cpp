#include "base/json.hpp"

#include "cooper/base/error.hpp"

#include <nlohmann/json.hpp>

#include <unordered_set>

namespace cooper::json {

namespace {

constexpr std::size_t kMaxDepth = 64;

/// Builds a Value from parse events; refuses depth beyond the limit and duplicate keys, which two readers may
/// understand differently.
class StrictBuilder final : public nlohmann::json_sax<Value> {
public:
    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t& /*as_written*/) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t& /*value*/) override { return false; }  // does not occur in text

    bool start_object(std::size_t /*elements*/) override { return open(Value::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t /*elements*/) override { return open(Value::array()); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        if (!levels_.back().keys.insert(name).second) {
            problem_ = "an object has two members named '" + name.substr(0, 100) + "'";
            return false;
        }
        key_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string& /*token*/, const Value::exception& /*error*/) override {
        // The library's own text quotes the document, which may hold a secret.
        problem_ = "syntax error at byte " + std::to_string(position);
        return false;
    }

    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
    [[nodiscard]] Value take() { return std::move(root_); }

private:
    struct Level {
        Value* container;  // stays where it is: its parent gets no other element while it is open
        std::unordered_set<std::string> keys;
    };

    Value* place(Value value) {
        if (levels_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Value& container = *levels_.back().container;
        if (container.is_array()) {
            container.push_back(std::move(value));
            return &container.back();
        }
        auto& members = container.get_ref<Value::object_t&>();
        // Not by operator[]: it would look for the key again, one by one.
        members.Container::emplace_back(std::move(key_), std::move(value));
        return &members.back().second;
    }

    bool add(Value value) {
        place(std::move(value));
        return true;
    }

    bool open(Value container) {
        if (levels_.size() == kMaxDepth) {
            problem_ = "nested deeper than the limit of " + std::to_string(kMaxDepth);
            return false;
        }
        levels_.push_back({place(std::move(container)), {}});
        return true;
    }

    bool close() {
        levels_.pop_back();
        return true;
    }

    Value root_;
    std::vector<Level> levels_;
    std::string key_;
    std::string problem_;
};

std::string quoted_path(std::string_view what, std::string_view key) {
    // "manifest" and "config" give "manifest: config"; "manifest: layers[3]" and "digest" give "manifest:
    // layers[3].digest".
    const bool inside = what.find(": ") != std::string_view::npos;
    return std::string(what) + (inside ? "." : ": ") + std::string(key);
}

[[noreturn]] void throw_wrong_type(std::string_view what, std::string_view key, std::string_view expected) {
    throw Error(ErrorCode::InvalidInput, quoted_path(what, key) + " is not " + std::string(expected));
}

/// Absent members and null ones are alike for what is optional.
const Value* find_present(const Value& object, std::string_view key) {
    const Value* value = find_member(object, key);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

}  // namespace

Value parse(std::string_view text, std::string_view what) {
    StrictBuilder builder;
    std::string problem;
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        problem = "syntax error at byte " + std::to_string(nul + 1);  // the library takes a NUL for the end
    } else if (text.starts_with("\xef\xbb\xbf")) {
        problem = "syntax error at byte 1";  // RFC 8259 section 8.1: no byte order mark; the library would skip it
    } else if (Value::sax_parse(text, &builder, Value::input_format_t::json, true)) {
        return builder.take();
    } else {
        problem = builder.problem();
    }
    throw Error(ErrorCode::InvalidInput, std::string(what) + " is not valid JSON: " + problem);
}

std::string write(const Value& value) {
    try {
        return value.dump();
    } catch (const Value::type_error&) {
        throw Error(ErrorCode::InvalidInput, "text that is not UTF-8 cannot be written as JSON");
    }
}

const Value* find_member(const Value& object, std::string_view key) {
    if (!object.is_object()) {
        return nullptr;
    }
    for (const auto& [name, value] : object.get_ref<const Value::object_t&>()) {
        if (name == key) {
            return &value;
        }
    }
    return nullptr;
}

const Value& member(const Value& object, std::string_view key, std::string_view what) {
    if (!object.is_object()) {
        throw Error(ErrorCode::InvalidInput, std::string(what) + " is not an object");
    }
    if (const Value* value = find_member(object, key)) {
        return *value;
    }
    throw Error(ErrorCode::InvalidInput, quoted_path(what, key) + " is missing");
}

std::string string_member(const Value& object, std::string_view key, std::string_view what) {
    const Value& value = member(object, key, what);
    if (!value.is_string()) {
        throw_wrong_type(what, key, "a string");
    }
    return value.get<std::string>();
}

std::optional<std::string> find_string(const Value& object, std::string_view key, std::string_view what) {
    const Value* value = find_present(object, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_string()) {
        throw_wrong_type(what, key, "a string");
    }
    return value->get<std::string>();
}

std::uint64_t uint_member(const Value& object, std::string_view key, std::string_view what) {
    const Value& value = member(object, key, what);
    if (value.is_number_unsigned()) {
        return value.get<std::uint64_t>();
    }
    // Values set by our own code may be signed.
    if (!value.is_number_integer() || value.get<std::int64_t>() < 0) {
        throw_wrong_type(what, key, "a whole number from 0 to 2^64 - 1");
    }
    return static_cast<std::uint64_t>(value.get<std::int64_t>());
}

std::optional<std::int64_t> find_int(const Value& object, std::string_view key, std::string_view what) {
    const Value* value = find_present(object, key);
    if (value == nullptr) {
        return std::nullopt;
    }
    const bool fits =
        value->is_number_integer() && (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
    if (!fits) {
        throw_wrong_type(what, key, "a whole number that fits 64 bits");
    }
    return value->get<std::int64_t>();
}

}  // namespace cooper::json
