#include "cooper/build/template.hpp"

#include "cooper/base/files.hpp"

#include "build/template/parser.hpp"
#include "build/template/renderer.hpp"

#include <set>

namespace cooper::build {

struct Template::State {
    std::shared_ptr<const jinja::Unit> unit;
    TemplateOptions options;
};

namespace {

constexpr std::size_t kMostFollowed = 200;  // templates that one includes, all in all

/// Collects the free names of a template and of those that it includes by name.
class FreeNames {
public:
    explicit FreeNames(const TemplateOptions& options) : options_(options) {}

    void add(const jinja::Unit& unit, const std::set<std::string>& set_outside) {
        for (const std::string& name : unit.free_names) {
            if (set_outside.count(name) == 0) {
                names_.insert(name);
            }
        }
        for (const jinja::Stmt* include : unit.includes) {
            std::set<std::string> known;
            if (include->include->with_context) {
                known = set_outside;
                for (const auto* scope = include->include->visible.get(); scope != nullptr;
                     scope = scope->outer.get()) {
                    for (const auto& [name, slot] : scope->names) {
                        known.insert(name);
                    }
                }
            }
            follow(*include->include->name, known, include->include->with_context);
        }
    }

    std::vector<std::string> sorted() { return {names_.begin(), names_.end()}; }

private:
    void follow(const jinja::Expr& name, const std::set<std::string>& known, bool with_context) {
        for (const auto& part : name.parts) {
            follow(*part, known, with_context);
        }
        const bool is_name = name.kind == jinja::ExprKind::Constant && name.constant.is_text();
        if (!is_name || !with_context || !options_.loader || followed_.size() >= kMostFollowed ||
            !followed_.insert(name.constant.text()).second) {
            return;
        }
        if (const auto text = options_.loader(name.constant.text())) {
            add(jinja::parse_unit(*text, name.constant.text(), options_), known);
        }
    }

    const TemplateOptions& options_;
    std::set<std::string> names_;
    std::set<std::string> followed_;
};

bool leads_out(const std::string& name) {
    const std::filesystem::path path(name);
    return name.empty() || name.find('\0') != std::string::npos || path.is_absolute() ||
           std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
}

}  // namespace

TemplateError::TemplateError(std::string file, std::size_t line, const std::string& message)
    : Error(ErrorCode::InvalidInput, file + ":" + std::to_string(line) + ": " + message),
      file_(std::move(file)),
      line_(line) {}

TemplateError::~TemplateError() = default;

TemplateLoader templates_below(std::filesystem::path directory) {
    return [directory = std::move(directory)](const std::string& name) -> std::optional<std::string> {
        if (leads_out(name)) {
            return std::nullopt;
        }
        try {
            return find_file_beneath(directory, name, kMaxTemplate);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::InvalidInput) {  // a symlink on the way
                return std::nullopt;
            }
            throw;
        }
    };
}

Template Template::parse(std::string_view text, std::string file, TemplateOptions options) {
    auto state = std::make_shared<State>();
    state->options = std::move(options);
    state->unit = std::make_shared<const jinja::Unit>(jinja::parse_unit(text, std::move(file), state->options));
    Template result;
    result.state_ = std::move(state);
    return result;
}

std::string Template::render(const TemplateMap& variables) const {
    return jinja::Renderer(state_->unit, state_->options).render(variables);
}

std::vector<std::string> Template::variables() const {
    FreeNames names(state_->options);
    names.add(*state_->unit, {});
    return names.sorted();
}

}  // namespace cooper::build
