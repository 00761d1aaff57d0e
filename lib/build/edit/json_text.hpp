// Editing JSON as text: what is not edited keeps every byte, so unknown members, key order and the spelling of numbers
// (1.10, 2^64) survive. The text must have passed json::parse() before; here only its structure is looked at.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cooper::build {

/// `text` as a JSON string. Throws Error{InvalidInput} unless it is valid UTF-8 without zero bytes.
std::string quoted_json(std::string_view text);
/// The text that a JSON string stands for.
std::string unquoted_json(std::string_view json);
/// ["a","b"].
std::string json_array(const std::vector<std::string>& texts);

/// An object; a `null` reads as an empty one.
class ObjectText {
public:
    explicit ObjectText(std::string_view json);
    /// The member's value as it stands there; nullptr when there is none.
    [[nodiscard]] const std::string* find(std::string_view key) const;
    /// Replaces the member's value in place, or adds the member at the end.
    void set(std::string_view key, std::string json);
    /// False: there was none.
    bool remove(std::string_view key);
    /// Keys and values, in order.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> members() const;
    [[nodiscard]] std::string text() const;

private:
    struct Member {
        std::string before;  // all between the value before and this one: spaces, comma, key, colon
        std::string key;
        std::string value;
        bool removed = false;
    };
    std::string head_;  // to the opening bracket
    std::vector<Member> members_;
    std::unordered_map<std::string, std::size_t> positions_;  // of those that are not removed
    std::string tail_;
};

/// An array; a `null` reads as an empty one.
class ArrayText {
public:
    explicit ArrayText(std::string_view json);
    [[nodiscard]] std::size_t size() const noexcept { return elements_.size(); }
    [[nodiscard]] const std::string& at(std::size_t index) const { return elements_.at(index).value; }
    void set(std::size_t index, std::string json) { elements_.at(index).value = std::move(json); }
    void add(std::string json);
    void remove_if(const std::function<bool(const std::string&)>& unwanted);
    /// Leaves the first `size` elements.
    void truncate(std::size_t size);
    [[nodiscard]] std::string text() const;

private:
    struct Element {
        std::string before;
        std::string value;
    };
    std::string head_;
    std::vector<Element> elements_;
    std::string tail_;
};

/// The member `key` of `object` as an object or array; absent or null: an empty one.
ObjectText object_of(const ObjectText& object, std::string_view key);
ArrayText array_of(const ObjectText& object, std::string_view key);

}  // namespace cooper::build
