# A service in Perl: it answers every request with the event that came, and with what it is written in.
# It uses no module, so that the interpreter alone is enough.

my ($INET, $STREAM, $SOCKET, $REUSE) = (2, 1, 1, 2);    # as Linux numbers them on x86 and ARM

socket(my $listener, $INET, $STREAM, 0) or die "no socket: $!\n";
setsockopt($listener, $SOCKET, $REUSE, 1) or die "no option: $!\n";
bind($listener, pack("S n N x8", $INET, $ENV{PORT}, 0)) or die "port $ENV{PORT}: $!\n";
listen($listener, 128) or die "cannot listen: $!\n";
my $over = 0;
$SIG{TERM} = sub { $over = 1 };    # what has begun is answered

until ($over) {
    accept(my $client, $listener) or next;
    my ($length, $line) = (0);
    while (defined($line = <$client>) && $line !~ /^\r?\n$/) {
        $length = $1 if $line =~ /^content-length:\s*(\d+)/i;
    }
    next unless defined $line;    # somebody only looked whether it listens
    read($client, my $event, $length);
    my $answer = sprintf '{"written_in": "Perl %vd", "event": %s}', $^V, $event || "null";
    print {$client} "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n",
        "Content-Length: ", length $answer, "\r\n\r\n", $answer;
}
