#include "cooper/build/annotate.hpp"

#include "edit_command.hpp"
#include "edit_values.hpp"

namespace cooper::cli {

namespace {

class AnnotateCommand final : public EditCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "annotate",
            .summary = "add annotations to a manifest or an index, or take them away",
            .usage = "SOURCE DESTINATION --annotation KEY=VALUE... [--remove KEY...] [FLAGS]",
            .about =
                "What is annotated is what SOURCE names: an index as a whole, or with --platform one image of it. "
                "Every "
                "other\n"
                "byte stays. Docker's own formats have no annotations: they become their OCI counterparts. SOURCE and\n"
                "DESTINATION are places as in cooper help copy.",
            .examples = {
                {"the version, on the index and every image in it",
                 "cooper annotate app.tar ghcr.io/acme/app:1 --each --annotation org.opencontainers.image.version=1"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Annotations");
        line.values("--annotation", "KEY=VALUE", "set it; repeatable", set_);
        line.values("--remove", "KEY", "take it away; repeatable", edit_.remove);
        line.toggle("--each", "in every image of an index as well", each_);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const Places places = parse_places(positionals);
        edit_.set = parse_pairs(set_, "--annotation");
        if (edit_.set.empty() && edit_.remove.empty()) {
            throw UsageError("annotate: which annotations?", "--annotation KEY=VALUE");
        }
        Session session(output, connection_);
        const auto opened = open(session, places.from[0], !transfer_.platform);
        auto graph = opened.graph;
        if (each_ && graph.kind == oci::ManifestKind::Index) {
            const auto edit = [&](const oci::Image& image) { return build::annotate(image, edit_); };
            graph = build::edit_images(graph, edit, session.run());
        }
        write(session, places, opened, build::annotate(graph, edit_));
    }

private:
    build::AnnotationEdit edit_;
    std::vector<std::string> set_;
    bool each_ = false;
};

}  // namespace

std::unique_ptr<Command> make_annotate_command() {
    return std::make_unique<AnnotateCommand>();
}

}  // namespace cooper::cli
