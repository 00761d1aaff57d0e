#include "build/edit/json_text.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

/// Walks over JSON text without building anything.
class Scanner {
public:
    explicit Scanner(std::string_view json) : json_(json) {}

    [[nodiscard]] char peek() const {
        if (position_ == json_.size()) {
            throw Error(ErrorCode::InvalidInput, "JSON text ends too early");
        }
        return json_[position_];
    }
    void expect(char wanted) {
        if (peek() != wanted) {
            throw Error(ErrorCode::InvalidInput,
                        std::string("JSON text lacks '") + wanted + "' at byte " + std::to_string(position_));
        }
        ++position_;
    }
    void skip_space() {
        while (position_ < json_.size() &&
               std::string_view(" \t\r\n").find(json_[position_]) != std::string_view::npos) {
            ++position_;
        }
    }
    [[nodiscard]] std::size_t position() const { return position_; }
    [[nodiscard]] std::string slice(std::size_t begin) const {
        return std::string(json_.substr(begin, position_ - begin));
    }
    [[nodiscard]] std::string rest() const { return std::string(json_.substr(position_)); }

    std::string take_string() {
        const auto begin = position_;
        expect('"');
        while (peek() != '"') {
            position_ += peek() == '\\' ? 2U : 1U;
            position_ = std::min(position_, json_.size());
        }
        ++position_;
        return slice(begin);
    }

    /// Any value: brackets are counted, not entered, so depth costs nothing.
    std::string take_value() {
        const auto begin = position_;
        std::size_t depth = 0;
        do {
            const char c = peek();
            if (c == '"') {
                take_string();
            } else if (c == '{' || c == '[') {
                ++depth;
                ++position_;
            } else if (c == '}' || c == ']') {
                if (depth == 0) {
                    throw Error(ErrorCode::InvalidInput,
                                "JSON text lacks a value at byte " + std::to_string(position_));
                }
                --depth;
                ++position_;
            } else if (depth > 0 && std::string_view(" \t\r\n,:").find(c) != std::string_view::npos) {
                ++position_;
            } else {
                take_word();
            }
        } while (depth > 0);
        return slice(begin);
    }

private:
    /// A number, true, false or null.
    void take_word() {
        const auto end = std::min(json_.find_first_of(" \t\r\n,:]}\"", position_), json_.size());
        if (end == position_) {
            throw Error(ErrorCode::InvalidInput, "JSON text lacks a value at byte " + std::to_string(position_));
        }
        position_ = end;
    }

    std::string_view json_;
    std::size_t position_ = 0;
};

/// What comes first has no comma before it.
std::string without_comma(std::string before) {
    const auto comma = before.find_first_not_of(" \t\r\n");
    if (comma != std::string::npos && before[comma] == ',') {
        before.erase(comma, 1);
    }
    return before;
}

}  // namespace

std::string quoted_json(std::string_view text) {
    if (!is_valid_utf8(text) || text.find('\0') != std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput, "a config holds UTF-8 text without zero bytes only");
    }
    return json::write(json::Value(text));
}

std::string unquoted_json(std::string_view json) {
    const auto value = json::parse(json, "a JSON string");
    if (!value.is_string()) {
        throw Error(ErrorCode::InvalidInput, "a string was expected in the config");
    }
    return value.get<std::string>();
}

std::string json_array(const std::vector<std::string>& texts) {
    std::string array = "[";
    for (const auto& text : texts) {
        array += (array.size() > 1 ? "," : "") + quoted_json(text);
    }
    return array + "]";
}

ObjectText::ObjectText(std::string_view json) {
    if (trim(json) == "null") {
        json = "{}";
    }
    Scanner scanner(json);
    scanner.skip_space();
    scanner.expect('{');
    head_ = scanner.slice(0);
    auto begin = scanner.position();
    scanner.skip_space();
    while (scanner.peek() != '}') {
        if (!members_.empty()) {
            scanner.expect(',');
            scanner.skip_space();
        }
        auto key = unquoted_json(scanner.take_string());
        scanner.skip_space();
        scanner.expect(':');
        scanner.skip_space();
        auto before = scanner.slice(begin);
        positions_.emplace(key, members_.size());
        members_.push_back({std::move(before), std::move(key), scanner.take_value()});
        begin = scanner.position();
        scanner.skip_space();
    }
    tail_ = scanner.slice(begin) + scanner.rest();
}

const std::string* ObjectText::find(std::string_view key) const {
    const auto found = positions_.find(std::string(key));
    return found == positions_.end() ? nullptr : &members_[found->second].value;
}

void ObjectText::set(std::string_view key, std::string json) {
    const auto [found, added] = positions_.try_emplace(std::string(key), members_.size());
    if (added) {
        members_.push_back({"," + quoted_json(key) + ":", std::string(key), std::move(json)});
    } else {
        members_[found->second].value = std::move(json);
    }
}

bool ObjectText::remove(std::string_view key) {
    const auto found = positions_.find(std::string(key));
    if (found == positions_.end()) {
        return false;
    }
    members_[found->second].removed = true;
    positions_.erase(found);
    return true;
}

std::vector<std::pair<std::string, std::string>> ObjectText::members() const {
    std::vector<std::pair<std::string, std::string>> members;
    for (const auto& member : members_) {
        if (!member.removed) {
            members.emplace_back(member.key, member.value);
        }
    }
    return members;
}

std::string ObjectText::text() const {
    std::string text = head_;
    bool first = true;
    for (const auto& member : members_) {
        if (member.removed) {
            continue;
        }
        text += first ? without_comma(member.before) : member.before;
        text += member.value;
        first = false;
    }
    return text + tail_;
}

ArrayText::ArrayText(std::string_view json) {
    if (trim(json) == "null") {
        json = "[]";
    }
    Scanner scanner(json);
    scanner.skip_space();
    scanner.expect('[');
    head_ = scanner.slice(0);
    auto begin = scanner.position();
    scanner.skip_space();
    while (scanner.peek() != ']') {
        if (!elements_.empty()) {
            scanner.expect(',');
            scanner.skip_space();
        }
        auto before = scanner.slice(begin);
        elements_.push_back({std::move(before), scanner.take_value()});
        begin = scanner.position();
        scanner.skip_space();
    }
    tail_ = scanner.slice(begin) + scanner.rest();
}

void ArrayText::add(std::string json) {
    elements_.push_back({elements_.empty() ? "" : ",", std::move(json)});
}

void ArrayText::remove_if(const std::function<bool(const std::string&)>& unwanted) {
    std::erase_if(elements_, [&](const Element& element) { return unwanted(element.value); });
    if (!elements_.empty()) {
        elements_.front().before = without_comma(elements_.front().before);
    }
}

void ArrayText::truncate(std::size_t size) {
    elements_.resize(std::min(size, elements_.size()));
}

std::string ArrayText::text() const {
    std::string text = head_;
    for (const auto& element : elements_) {
        text += element.before + element.value;
    }
    return text + tail_;
}

ObjectText object_of(const ObjectText& object, std::string_view key) {
    const auto* found = object.find(key);
    return ObjectText(found == nullptr ? "{}" : *found);
}

ArrayText array_of(const ObjectText& object, std::string_view key) {
    const auto* found = object.find(key);
    return ArrayText(found == nullptr ? "[]" : *found);
}

}  // namespace cooper::build
