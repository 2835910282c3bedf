export const handler = async () => 'module';
