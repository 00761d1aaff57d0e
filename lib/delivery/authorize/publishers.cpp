#include "cooper/delivery/authorize.hpp"

#include "build/project/commented_json.hpp"

#include <map>

namespace cooper::delivery {

namespace {

using build::CommentedList;
using build::CommentedMember;
using build::CommentedObject;
using build::CommentedValue;

constexpr std::size_t kMaxPublishers = 10'000;

std::string found(const CommentedValue& value) {
    return std::holds_alternative<double>(value.data) ? "not one with a fraction" : "not " + std::string(value.kind());
}

std::uint64_t id_of(const CommentedMember& member, const std::string& what) {
    const auto* const id = std::get_if<std::int64_t>(&member.value.data);
    if (id == nullptr || *id <= 0) {
        Error error = build::error_in_line(
            what, member.line,
            "\"id\" must be a person's number, " + (id == nullptr ? found(member.value) : "greater than 0"));
        error.advise("https://api.github.com/users/LOGIN tells the id of a login");
        throw Error(error);
    }
    return static_cast<std::uint64_t>(*id);
}

Publisher publisher_of(const CommentedValue& entry, const std::string& what) {
    const auto* const members = std::get_if<CommentedObject>(&entry.data);
    if (members == nullptr) {
        throw build::error_in_line(what, entry.line,
                                   "a publisher is written {\"id\": NUMBER, \"name\": TEXT}, " + found(entry));
    }
    Publisher publisher;
    for (const CommentedMember& member : *members) {
        if (member.key == "id") {
            publisher.id = id_of(member, what);
        } else if (member.key == "name") {
            const auto* const name = std::get_if<std::string>(&member.value.data);
            if (name == nullptr) {
                throw build::error_in_line(what, member.line, "\"name\" must be a text, " + found(member.value));
            }
            publisher.name = *name;
        } else {
            throw build::error_in_line(what, member.line, "a publisher has \"id\" and \"name\", and no other member");
        }
    }
    if (publisher.id == 0) {
        throw build::error_in_line(what, entry.line, "a publisher has no \"id\"");
    }
    return publisher;
}

const CommentedList& list_in(const CommentedValue& document, const std::string& what) {
    const auto* const members = std::get_if<CommentedObject>(&document.data);
    if (members == nullptr || members->size() != 1 || members->front().key != "publishers") {
        throw build::error_in_line(what, document.line, "the file must hold {\"publishers\": [...]} and nothing else");
    }
    const CommentedMember& member = members->front();
    const auto* const list = std::get_if<CommentedList>(&member.value.data);
    if (list == nullptr) {
        throw build::error_in_line(what, member.line, "\"publishers\" must be a list, " + found(member.value));
    }
    if (list->empty() || list->size() > kMaxPublishers) {
        throw build::error_in_line(
            what, member.line,
            list->empty() ? "\"publishers\" is empty" : "more than " + std::to_string(kMaxPublishers) + " publishers");
    }
    return *list;
}

}  // namespace

std::vector<Publisher> parse_publishers(std::string_view text, const std::string& what) {
    const CommentedValue document = build::parse_commented_json(text, what);
    std::vector<Publisher> publishers;
    std::map<std::uint64_t, std::size_t> lines;
    for (const CommentedValue& entry : list_in(document, what)) {
        publishers.push_back(publisher_of(entry, what));
        const auto [known, is_new] = lines.emplace(publishers.back().id, entry.line);
        if (!is_new) {
            throw build::error_in_line(what, entry.line,
                                       "the id " + std::to_string(known->first) + " stands in line " +
                                           std::to_string(known->second) + " already");
        }
    }
    return publishers;
}

}  // namespace cooper::delivery
