#include "build/template/parser.hpp"

#include "cooper/base/text.hpp"

#include "build/template/nearest.hpp"
#include "build/template/scopes.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

constexpr std::string_view kStatements[] = {"if",      "for",    "set",      "macro",   "call",      "filter", "with",
                                            "include", "print",  "raw",      "endraw",  "elif",      "else",   "endif",
                                            "endfor",  "endset", "endmacro", "endcall", "endfilter", "endwith"};
/// Jinja's, or its extensions', that are not for Dockerfiles.
constexpr std::string_view kUnsupported[] = {"extends", "block", "import",   "from",  "autoescape",    "do",
                                             "trans",   "break", "continue", "debug", "endautoescape", "endblock"};
constexpr std::size_t kMaxParameters = 255;

bool contains(std::span<const std::string_view> words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

class Parser {
public:
    Parser(std::vector<Token> tokens, const std::string& file)
        : reader_(std::move(tokens), file), expressions_(reader_) {}

    Body run() {
        Body body = statements({});
        return body;
    }

private:
    struct OpenBlock {
        std::string name;
        std::size_t line;
    };

    std::unique_ptr<Stmt> make(StmtKind kind, std::size_t line) {
        if (++nodes_ > kMaxNodes) {
            reader_.fail(line, "the template has more than " + std::to_string(kMaxNodes) + " statements");
        }
        auto stmt = std::make_unique<Stmt>();
        stmt->kind = kind;
        stmt->line = line;
        return stmt;
    }

    /// Up to a tag that is one of `ends`, whose name is the current token then; or to the end when there are none.
    Body statements(std::initializer_list<std::string_view> ends) {
        Body body;
        while (true) {
            const Token& token = reader_.token();
            if (token.is(TokenKind::Data)) {
                auto data = make(StmtKind::Data, token.line);
                data->text = token.text;
                body.push_back(std::move(data));
                reader_.take();
            } else if (token.is(TokenKind::PrintBegin)) {
                auto print = make(StmtKind::Print, reader_.take().line);
                print->expr = expressions_.tuple(true);
                reader_.expect_end(TokenKind::PrintEnd);
                body.push_back(std::move(print));
            } else if (token.is(TokenKind::BlockBegin)) {
                reader_.take();
                if (reader_.token().is(TokenKind::Name) &&
                    std::find(ends.begin(), ends.end(), reader_.token().text) != ends.end()) {
                    return body;
                }
                statement(body);
                reader_.expect_end(TokenKind::BlockEnd);
            } else {
                at_end(token);
                return body;
            }
        }
    }

    void at_end(const Token& token) const {
        if (!open_.empty()) {
            const OpenBlock& block = open_.back();
            reader_.fail(token.line, "found the end of the template, expected \"end" + block.name +
                                         "\" of the block \"" + block.name + "\" opened at line " +
                                         std::to_string(block.line));
        }
    }

    void statement(Body& body) {
        if (!reader_.token().is(TokenKind::Name)) {
            reader_.fail_expected("the name of a statement");
        }
        const Token token = reader_.take();
        const std::string& name = token.text;
        if (name == "print") {
            print(body, token.line);
        } else if (name == "if") {
            body.push_back(if_block(token.line));
        } else if (name == "for") {
            body.push_back(for_block(token.line));
        } else if (name == "set") {
            body.push_back(set(token.line));
        } else if (name == "macro") {
            body.push_back(macro(token.line));
        } else if (name == "call") {
            body.push_back(call_block(token.line));
        } else if (name == "filter") {
            body.push_back(filter_block(token.line));
        } else if (name == "with") {
            body.push_back(with(token.line));
        } else if (name == "include") {
            body.push_back(include(token.line));
        } else {
            refuse(token);
        }
    }

    [[noreturn]] void refuse(const Token& token) const {
        const std::string quoted = "\"" + oci::printable(token.text, 60) + "\"";
        if (token.text.starts_with("end") || token.text == "elif" || token.text == "else") {
            if (contains(kStatements, token.text)) {
                const std::string verb = token.text.starts_with("end") ? " closes nothing" : " belongs to no block";
                reader_.fail(token.line, open_.empty() ? quoted + verb + ": no block is open"
                                                       : quoted + verb + "; the block opened at line " +
                                                             std::to_string(open_.back().line) + " is \"" +
                                                             open_.back().name + "\"");
            }
        }
        if (contains(kUnsupported, token.text)) {
            reader_.fail(token.line, "the statement " + quoted + " is not supported",
                         "what there is: if, for, set, macro, call, filter, with, include, raw, print");
        }
        reader_.fail(token.line, quoted + " is no statement" + did_you_mean(token.text, kStatements));
    }

    /// The rest of the tag, the body and its end; what ends it is the current token.
    Body block_body(std::initializer_list<std::string_view> ends) {
        reader_.skip_operator(":");
        reader_.expect_end(TokenKind::BlockEnd);
        return statements(ends);
    }

    void open(std::string name, std::size_t line) {
        if (open_.size() >= kMaxBlockDepth) {
            reader_.fail(line, "blocks are nested deeper than " + std::to_string(kMaxBlockDepth) + " levels");
        }
        open_.push_back({std::move(name), line});
    }

    /// The body of a block that has one part only.
    Body whole_block(std::string name, std::size_t line) {
        const std::string end = "end" + name;
        open(std::move(name), line);
        Body body = block_body({end});
        reader_.take();
        open_.pop_back();
        return body;
    }

    void print(Body& body, std::size_t line) {
        bool first = true;
        while (!reader_.token().is(TokenKind::BlockEnd)) {
            if (!first) {
                reader_.expect_operator(",");
            }
            first = false;
            auto stmt = make(StmtKind::Print, line);
            stmt->expr = expressions_.expression();
            body.push_back(std::move(stmt));
        }
    }

    std::unique_ptr<Stmt> if_block(std::size_t line) {
        auto stmt = make(StmtKind::If, line);
        open("if", line);
        while (true) {
            Branch branch;
            branch.test = expressions_.tuple(false);
            branch.body = block_body({"elif", "else", "endif"});
            stmt->branches.push_back(std::move(branch));
            const std::string word = reader_.take().text;
            if (word == "else") {
                stmt->body = block_body({"endif"});
                reader_.take();
            }
            if (word != "elif") {
                break;
            }
        }
        open_.pop_back();
        return stmt;
    }

    std::unique_ptr<Stmt> for_block(std::size_t line) {
        auto stmt = make(StmtKind::For, line);
        auto plan = std::make_unique<ForPlan>();
        plan->target = expressions_.target("in");
        reader_.expect_word("in");
        plan->over = expressions_.tuple(false, "recursive");
        if (reader_.skip_name("if")) {
            plan->condition = expressions_.expression();
        }
        plan->recursive = reader_.skip_name("recursive");
        open("for", line);
        plan->body = block_body({"endfor", "else"});
        if (reader_.take().text == "else") {
            plan->otherwise = block_body({"endfor"});
            reader_.take();
        }
        open_.pop_back();
        stmt->loop = std::move(plan);
        return stmt;
    }

    std::unique_ptr<Stmt> set(std::size_t line) {
        Target target;
        if (reader_.after().is_operator(".")) {
            target.line = line;
            target.kind = Target::Kind::Attribute;
            target.name = reader_.expect_name("a name to assign to");
            reader_.take();
            target.attribute = reader_.expect_name("an attribute");
        } else {
            target = expressions_.target();
        }
        std::unique_ptr<Stmt> stmt;
        if (reader_.skip_operator("=")) {
            stmt = make(StmtKind::Set, line);
            stmt->expr = expressions_.tuple(true);
        } else {
            if (!reader_.token().is(TokenKind::BlockEnd) && !reader_.token().is_operator("|")) {
                reader_.fail_expected("\"=\"");
            }
            stmt = make(StmtKind::SetBlock, line);
            stmt->expr = expressions_.captured_filters(false);
            stmt->body = whole_block("set", line);
        }
        stmt->target = std::move(target);
        return stmt;
    }

    void parameters(MacroPlan& plan) {
        reader_.expect_operator("(");
        while (!reader_.skip_operator(")")) {
            if (!plan.parameters.empty()) {
                reader_.expect_operator(",");
            }
            const std::size_t line = reader_.token().line;
            Parameter parameter;
            parameter.name = reader_.expect_name("the name of a parameter");
            if (reader_.skip_operator("=")) {
                parameter.otherwise = expressions_.expression();
            } else if (!plan.parameters.empty() && plan.parameters.back().otherwise) {
                reader_.fail(line,
                             "the parameter \"" + parameter.name + "\" needs a default, as the one before it has one");
            }
            const auto same = [&](const Parameter& known) { return known.name == parameter.name; };
            if (plan.parameters.size() >= kMaxParameters) {
                reader_.fail(line, "a macro has more than " + std::to_string(kMaxParameters) + " parameters");
            }
            if (std::any_of(plan.parameters.begin(), plan.parameters.end(), same)) {
                reader_.fail(line, "two parameters are called \"" + parameter.name + "\"");
            }
            plan.parameters.push_back(std::move(parameter));
        }
    }

    std::unique_ptr<Stmt> macro(std::size_t line) {
        auto stmt = make(StmtKind::Macro, line);
        stmt->macro = std::make_shared<MacroPlan>();
        stmt->macro->line = line;
        stmt->macro->name = reader_.expect_name("the name of the macro");
        parameters(*stmt->macro);
        stmt->macro->body = whole_block("macro", line);
        stmt->target.name = stmt->macro->name;
        return stmt;
    }

    std::unique_ptr<Stmt> call_block(std::size_t line) {
        auto stmt = make(StmtKind::CallBlock, line);
        stmt->macro = std::make_shared<MacroPlan>();
        stmt->macro->line = line;
        if (reader_.token().is_operator("(")) {
            parameters(*stmt->macro);
        }
        stmt->expr = expressions_.expression();
        if (stmt->expr->kind != ExprKind::Call) {
            reader_.fail(line, "\"call\" needs the call of a macro: {% call name(arguments) %}");
        }
        stmt->macro->body = whole_block("call", line);
        return stmt;
    }

    std::unique_ptr<Stmt> filter_block(std::size_t line) {
        auto stmt = make(StmtKind::FilterBlock, line);
        stmt->expr = expressions_.captured_filters(true);
        stmt->body = whole_block("filter", line);
        return stmt;
    }

    std::unique_ptr<Stmt> with(std::size_t line) {
        auto stmt = make(StmtKind::With, line);
        while (!reader_.token().is(TokenKind::BlockEnd)) {
            if (!stmt->bindings.empty()) {
                reader_.expect_operator(",");
            }
            Target target = expressions_.target();
            reader_.expect_operator("=");
            stmt->bindings.emplace_back(std::move(target), expressions_.expression());
        }
        stmt->body = whole_block("with", line);
        return stmt;
    }

    std::unique_ptr<Stmt> include(std::size_t line) {
        auto stmt = make(StmtKind::Include, line);
        auto plan = std::make_unique<IncludePlan>();
        plan->name = expressions_.expression();
        if (reader_.token().is_name("ignore") && reader_.after().is_name("missing")) {
            reader_.take();
            reader_.take();
            plan->ignore_missing = true;
        }
        const bool with = reader_.token().is_name("with");
        if ((with || reader_.token().is_name("without")) && reader_.after().is_name("context")) {
            reader_.take();
            reader_.take();
            plan->with_context = with;
        }
        stmt->include = std::move(plan);
        return stmt;
    }

    TokenReader reader_;
    ExpressionParser expressions_;
    std::vector<OpenBlock> open_;
    std::size_t nodes_ = 0;
};

}  // namespace

const Token& TokenReader::take() {
    const Token& taken = tokens_[at_];
    if (at_ + 1 < tokens_.size()) {
        ++at_;
    }
    return taken;
}

bool TokenReader::skip_operator(std::string_view text) {
    const bool found = token().is_operator(text);
    if (found) {
        take();
    }
    return found;
}

bool TokenReader::skip_name(std::string_view name) {
    const bool found = token().is_name(name);
    if (found) {
        take();
    }
    return found;
}

void TokenReader::expect_operator(std::string_view text) {
    if (!skip_operator(text)) {
        fail_expected("\"" + std::string(text) + "\"");
    }
}

void TokenReader::expect_word(std::string_view word) {
    if (!skip_name(word)) {
        fail_expected("\"" + std::string(word) + "\"");
    }
}

void TokenReader::expect_end(TokenKind kind) {
    if (!token().is(kind)) {
        fail_expected(kind == TokenKind::PrintEnd ? "the end of the tag, \"}}\"" : "the end of the tag, \"%}\"");
    }
    take();
}

std::string TokenReader::expect_name(std::string_view what) {
    if (!token().is(TokenKind::Name)) {
        fail_expected(what);
    }
    return take().text;
}

void TokenReader::fail(std::size_t line, const std::string& message, const std::string& advice) const {
    TemplateError error(file_, line, message);
    if (!advice.empty()) {
        error.advise(advice);
    }
    throw error;
}

void TokenReader::fail_expected(std::string_view what) const {
    fail(token().line, "found " + describe(token()) + ", expected " + std::string(what));
}

Unit parse_unit(std::string_view text, std::string file, const TemplateOptions& options) {
    if (text.size() > kMaxTemplate) {
        throw TemplateError(file, 1, "the template is larger than " + format_bytes(kMaxTemplate));
    }
    if (!is_valid_utf8(text)) {
        throw TemplateError(file, 1, "the template is not UTF-8");
    }
    Unit unit;
    unit.file = std::move(file);
    unit.body = Parser(tokenize(text, unit.file, options), unit.file).run();
    bind_names(unit);
    return unit;
}

}  // namespace cooper::build::jinja
