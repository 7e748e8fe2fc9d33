import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/** One node in this JVM, whoever runs it: NAME=VALUE are settings, +CLASS is a plugin. SIGTERM closes it. */
public final class OpenSearchNode extends Node {
    private OpenSearchNode(Settings settings, Collection<Class<? extends Plugin>> plugins) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "stack"), plugins, true);
    }

    public static void main(String[] arguments) throws Exception {
        Settings.Builder settings = Settings.builder();
        List<Class<? extends Plugin>> plugins = new ArrayList<>();
        for (String argument : arguments) {
            if (argument.startsWith("+")) {
                plugins.add(Class.forName(argument.substring(1)).asSubclass(Plugin.class));
            } else {
                int equals = argument.indexOf('=');
                settings.put(argument.substring(0, equals), argument.substring(equals + 1));
            }
        }
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName("stack");
        Node node = new OpenSearchNode(settings.build(), plugins);
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
            closed.countDown();
        }));
        node.start();
        closed.await();
    }
}
