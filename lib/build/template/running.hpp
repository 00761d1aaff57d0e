// What the parts of the renderer share.
#pragma once

#include "build/template/renderer.hpp"

namespace cooper::build::jinja {

/// While it lives, the renderer runs another function: its variables, names, file. Afterwards what the function's
/// macros hold is kept, for the others nothing is left.
class Renderer::Entered {
public:
    Entered(Renderer& renderer, std::shared_ptr<Activation> activation, std::shared_ptr<Context> context,
            const Unit* unit, long owners = 1);
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
    ~Entered();

private:
    Renderer& renderer_;
    std::shared_ptr<Activation> activation_;
    std::shared_ptr<Context> context_;
    const Unit* unit_;
    std::size_t line_;
    long owners_;  ///< who hold the activation when nothing made in it does
};

/// While it lives, one more expression or block is under evaluation.
class Renderer::Deeper {
public:
    explicit Deeper(Renderer& renderer) : renderer_(renderer) {
        if (renderer_.depth_ >= kMaxStackDepth) {
            throw Failure{"expressions, blocks and calls are nested too deeply"};
        }
        ++renderer_.depth_;
    }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ~Deeper() { --renderer_.depth_; }

private:
    Renderer& renderer_;
};

/// While it lives, output goes elsewhere.
class Redirected {
public:
    Redirected(TextBuilder*& out, TextBuilder& to) : out_(out), before_(std::exchange(out, &to)) {}
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;
    ~Redirected() { out_ = before_; }

private:
    TextBuilder*& out_;
    TextBuilder* before_;
};

inline void check_output(const TextBuilder& out) {
    if (out.size() > kMaxOutput) {
        throw Failure{"the output is larger than " + std::to_string(kMaxOutput >> 20U) + " MiB"};
    }
}

inline void write(TextBuilder& out, std::string_view text) {
    out += text;
    check_output(out);
}

}  // namespace cooper::build::jinja
