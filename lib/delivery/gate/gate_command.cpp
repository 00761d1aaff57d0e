// A gate's command: words told apart as a shell does, and nothing else that a shell does.
#include "cooper/delivery/gate.hpp"

#include "delivery/gate/placeholders.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxTemplate = 16 * 1024;
constexpr std::size_t kMaxWords = 1000;
constexpr std::array<std::string_view, 7> kPlaceholders = {"tar", "out", "name", "tag", "image", "sha256", "id"};

bool is_name_start(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}
bool is_placeholder_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

[[noreturn]] void refuse(const std::string& why, const std::string& advice) {
    Error error(ErrorCode::InvalidInput, "the command of the gate " + why);
    error.advise(advice);
    throw error;
}

/// POSIX shell command language 2.2 (quoting) and 2.3 (words), without any expansion.
class WordSplitter {
public:
    explicit WordSplitter(std::string_view text) : text_(text) {}

    std::vector<std::string> split() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == ' ' || c == '\t' || (c == '\n' && is_at_edge())) {
                end_word();
                ++at_;
            } else if (c == '\'') {
                single_quoted();
            } else if (c == '"') {
                double_quoted();
            } else if (c == '\\') {
                escaped();
            } else {
                unquoted(c);
            }
        }
        end_word();
        return std::move(words_);
    }

private:
    /// Before the first word or behind the last, as text from files has them.
    [[nodiscard]] bool is_at_edge() const {
        return (words_.empty() && !in_word_) || text_.find_first_not_of(" \t\n", at_) == std::string_view::npos;
    }

    void add(char c) {
        word_ += c;
        in_word_ = true;
    }

    void end_word() {
        if (in_word_) {
            words_.push_back(std::move(word_));
        }
        word_.clear();
        in_word_ = false;
        if (words_.size() > kMaxWords) {
            refuse("has more than " + std::to_string(kMaxWords) + " words", "put it into a script");
        }
    }

    void unquoted(char c) {
        constexpr std::string_view kOperators = "|;&<>()\n";
        if (kOperators.find(c) != std::string_view::npos) {
            refuse(std::string("has ") + (c == '\n' ? "a line end" : std::string(1, c)) +
                       " outside of quotes, which only a shell would understand: no shell runs it",
                   "quote it, or put what needs a shell into a script");
        }
        check_expansion();
        add(c);
        ++at_;
    }

    void check_expansion() const {
        const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
        const bool dollar = text_[at_] == '$' && (is_name_start(next) || next == '(' || next == '{');
        if (dollar || text_[at_] == '`') {
            refuse("has " + std::string(text_.substr(at_, dollar ? 2 : 1)) +
                       " outside of single quotes, which only a shell would expand: no shell runs it",
                   "single quotes keep it as it is; a script may use variables that --pass-env gives it");
        }
    }

    void single_quoted() {
        const std::size_t end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos) {
            refuse("has an open quote: '", "close it, or write \\' for the character");
        }
        word_ += text_.substr(at_ + 1, end - at_ - 1);
        in_word_ = true;
        at_ = end + 1;
    }

    void double_quoted() {
        constexpr std::string_view kEscapable = "\"\\$`";
        in_word_ = true;
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
                if (text_[at_ + 1] == '\n') {
                    ++at_;
                    continue;
                }
                if (kEscapable.find(text_[at_ + 1]) != std::string_view::npos) {
                    add(text_[++at_]);
                    continue;
                }
            }
            check_expansion();
            add(text_[at_]);
        }
        if (at_ == text_.size()) {
            refuse("has an open quote: \"", "close it, or write \\\" for the character");
        }
        ++at_;
    }

    void escaped() {
        if (at_ + 1 == text_.size()) {
            refuse("ends in a backslash", "write two for the character");
        }
        if (text_[at_ + 1] != '\n') {  // which goes on in the next line
            add(text_[at_ + 1]);
        }
        at_ += 2;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<std::string> words_;
    std::string word_;
    bool in_word_ = false;
};

void check_program(const std::string& program) {
    bool placeholder = false;
    fill_in(program, [&](std::string_view) {
        placeholder = true;
        return std::string();
    });
    if (placeholder) {
        refuse("begins with a placeholder: which program runs must not depend on an image", "name the program");
    }
    const std::size_t equals = program.find('=');
    if (equals != std::string::npos && program.find('/') > equals && is_name_start(program.front())) {
        refuse("begins with " + oci::printable(program) + ", which is no program",
               "set the variable before cooper and let the gate have it: --pass-env " +
                   oci::printable(program.substr(0, equals)));
    }
}

}  // namespace

std::string fill_in(std::string_view word, const std::function<std::string(std::string_view)>& value_of) {
    std::string out;
    for (std::size_t at = 0; at < word.size();) {
        if (word.substr(at, 2) == "{{") {  // a template of the tool's own, as docker inspect --format has them
            const std::size_t end = std::min(word.find("}}", at), word.size() - 2) + 2;
            out += word.substr(at, end - at);
            at = end;
            continue;
        }
        std::size_t end = at + 1;
        while (word[at] == '{' && end < word.size() && is_placeholder_character(word[end])) {
            ++end;
        }
        if (word[at] == '{' && end > at + 1 && end < word.size() && word[end] == '}') {
            out += value_of(word.substr(at + 1, end - at - 1));
            at = end + 1;
        } else {
            out += word[at++];
        }
    }
    return out;
}

GateCommand GateCommand::parse(GateKind kind, std::string_view text) {
    if (text.size() > kMaxTemplate || text.find('\0') != std::string_view::npos) {
        refuse("has more than " + std::to_string(kMaxTemplate) + " bytes, or a NUL", "put it into a script");
    }
    GateCommand command;
    command.kind = kind;
    command.words = WordSplitter(text).split();
    if (command.words.empty() || command.words.front().empty()) {
        refuse("is empty", "write 'PROGRAM ARGUMENTS ...'");
    }
    check_program(command.words.front());
    for (const std::string& word : command.words) {
        fill_in(word, [](std::string_view name) {
            if (std::find(kPlaceholders.begin(), kPlaceholders.end(), name) == kPlaceholders.end()) {
                refuse("has {" + std::string(name) + "}, which stands for nothing",
                       "there are {tar} {out} {name} {tag} {image} {sha256} {id}; {{...}} stays as it is");
            }
            return std::string();
        });
    }
    return command;
}

bool GateCommand::needs_tarball() const {
    bool needs = false;
    for (const std::string& word : words) {
        fill_in(word, [&](std::string_view name) {
            needs = needs || name == "tar" || name == "sha256";
            return std::string();
        });
    }
    return needs;
}

}  // namespace cooper::delivery
