#include "oci/engine/answer_stream.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <vector>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxFailure = 1000;

std::string text_member(const json::Value& object, std::string_view key) {
    const json::Value* const value = json::find_member(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

/// errorDetail.message, as "error" alone is on its way out (since API 1.48); podman has {"error"}, {"message"} and
/// {"cause"} as well.
std::string failure_in(const json::Value& answer) {
    if (const json::Value* const detail = json::find_member(answer, "errorDetail")) {
        const std::string words = text_member(*detail, "message");
        return words.empty() ? "an error without a message" : words;
    }
    const std::string words = text_member(answer, "error");
    return words.empty() ? text_member(answer, "message") : words;
}

std::uint64_t count_member(const json::Value& object, std::string_view key) {
    const json::Value* const value = json::find_member(object, key);
    return value != nullptr && value->is_number_unsigned() ? value->get<std::uint64_t>() : 0;
}

EngineAnswer read_answer(const json::Value& answer) {
    EngineAnswer said;
    said.text = text_member(answer, "stream");
    said.status = text_member(answer, "status");
    said.id = text_member(answer, "id");
    const json::Value* const aux = json::find_member(answer, "aux");
    if (aux != nullptr && aux->is_object()) {
        said.image_id = text_member(*aux, "ID");
    }
    const json::Value* const detail = json::find_member(answer, "progressDetail");
    said.counts = detail != nullptr && detail->is_object();
    if (said.counts) {
        said.done = count_member(*detail, "current");
        said.total = count_member(*detail, "total");
    }
    return said;
}

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::Unavailable, "the engine's answers cannot be read: " + problem);
}

json::Value parse_answer(const std::string& text) {
    try {
        return json::parse(text, "one");
    } catch (const Error& error) {
        refuse(error.what());
    }
}

}  // namespace

void AnswerStream::feed(std::string_view bytes) {
    total_ += bytes.size();
    if (total_ > limit_) {
        refuse("more than " + format_bytes(limit_));
    }
    for (const char c : bytes) {
        take(c);
    }
}

void AnswerStream::feed_all(Source& body) {
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = body.read(buffer)) {
        feed(as_text(Bytes(buffer).first(count)));
    }
    finish();
}

void AnswerStream::finish() {
    if (depth_ > 0) {
        throw Error(ErrorCode::Unavailable, "the engine stopped in the middle of its answer");
    }
    end_line();
}

void AnswerStream::take(char c) {
    if (depth_ == 0 && answer_.empty() && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
        return;
    }
    if (depth_ == 0 && c == '\n') {
        return end_line();
    }
    const bool in_line = depth_ == 0 && (!answer_.empty() || c != '{');
    answer_ += c;
    if (answer_.size() > kMaxEngineAnswer) {
        refuse("one is larger than " + format_bytes(kMaxEngineAnswer));
    }
    if (in_line) {
        return;
    }
    if (in_string_) {
        in_string_ = escaped_ || c != '"';
        escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
        in_string_ = true;
    } else if (c == '{') {
        ++depth_;
    } else if (c == '}' && --depth_ == 0) {
        end_object();
    }
}

/// Not JSON: an error page.
void AnswerStream::end_line() {
    if (!answer_.empty()) {
        fail(answer_);
        answer_.clear();
    }
}

void AnswerStream::end_object() {
    const json::Value answer = parse_answer(answer_);
    answer_.clear();
    if (const std::string words = failure_in(answer); !words.empty()) {
        return fail(words);
    }
    on_answer_(read_answer(answer));
}

void AnswerStream::fail(std::string_view words) {
    if (failure_.empty()) {
        failure_ = trim(words);
    }
}

std::string AnswerStream::failure() const {
    return redact(printable(failure_, kMaxFailure));
}

}  // namespace cooper::oci
